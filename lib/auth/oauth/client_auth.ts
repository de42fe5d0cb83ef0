// @ts-types="@modelcontextprotocol/client"
import type {
  AuthorizationServerMetadata,
  OAuthTokens,
  StoredOAuthClientInformation,
} from "@modelcontextprotocol/client";
import type { AuthorizationServer, Client, ClientAuth } from "oauth4webapi";
import type { KeptCredentials } from "../credential_store.ts";
import { type AuthFetch, AuthServerError } from "./auth_fetch.ts";
import { loadSdk, sayWhy } from "./auth_faults.ts";

/** A client of an authorization server as `oauth4webapi` takes it, for what the SDK has not. */
interface PlainClient {
  server: AuthorizationServer;
  client: Client;
  clientAuth: ClientAuth;
}

/** How a client authenticates that signs for itself (RFC 7523), which only token requests of machines do here. */
export const SIGNED = "private_key_jwt";

export async function plainClient(
  metadata: AuthorizationServerMetadata,
  information: StoredOAuthClientInformation,
): Promise<PlainClient> {
  const [oauth, sdk] = await Promise.all([import("oauth4webapi"), loadSdk()]);
  const { client_id, client_secret: secret } = information;
  const methods = metadata.token_endpoint_auth_methods_supported ?? [];
  const clientAuth = {
    none: () => oauth.None(),
    client_secret_basic: () => oauth.ClientSecretBasic(secret!),
    client_secret_post: () => oauth.ClientSecretPost(secret!),
  }[sdk.selectClientAuthMethod(information, methods)]();
  return { server: metadata as AuthorizationServer, client: { client_id }, clientAuth };
}

/** Whether the tokens are worth nothing from now on, or why that is not known; whether there were any. */
export type Revocation = { is: "revoked" } | { is: "signed_out_before" } | { is: "not_offered" } | {
  is: "failed";
  why: string;
};

/** Has the authorization server revoke the tokens of a login that was `kept` (RFC 7009); never throws. */
export async function revokeLogin(kept: KeptCredentials | undefined, fetch: AuthFetch): Promise<Revocation> {
  const { tokens, discovery, clients } = kept ?? {};
  const information = tokens?.issuer === undefined ? undefined : clients?.[tokens.issuer];
  const metadata = discovery?.authorizationServerMetadata;
  if (!tokens) return { is: "signed_out_before" };
  if (!information || !metadata || isSigned(information)) return { is: "not_offered" };
  return await revokeTokens(await plainClient(metadata, information), tokens, fetch);
}

function isSigned(client: StoredOAuthClientInformation): boolean {
  return "token_endpoint_auth_method" in client && client.token_endpoint_auth_method === SIGNED;
}

async function revokeTokens(
  { server, client, clientAuth }: PlainClient,
  { access_token: access, refresh_token: refresh }: OAuthTokens,
  fetch: AuthFetch,
): Promise<Revocation> {
  if (server.revocation_endpoint === undefined) return { is: "not_offered" };
  const { revocationRequest, processRevocationResponse, customFetch, allowInsecureRequests } = await import(
    "oauth4webapi"
  );
  try {
    // The refresh token first: with it goes what was made of it, at most servers.
    for (const [token, hint] of [[refresh, "refresh_token"], [access, "access_token"]] as const) {
      if (token === undefined) continue;
      const response = await revocationRequest(server, client, clientAuth, token, {
        [customFetch]: (url: string, init: object) => fetch(url, init),
        // What may be reached in the clear is decided where the requests are made.
        [allowInsecureRequests]: true,
        additionalParameters: { token_type_hint: hint },
      });
      await processRevocationResponse(response);
    }
    return { is: "revoked" };
  } catch (thrown) {
    const cause = thrown instanceof Error && thrown.cause instanceof AuthServerError ? thrown.cause : thrown;
    return { is: "failed", why: sayWhy(cause, [access, refresh, client.client_id]) };
  }
}
