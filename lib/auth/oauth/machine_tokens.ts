import type { OAuthConfig } from "../../config/server_config.ts";
import type { CredentialStore } from "../credential_store.ts";
import { loadSdk, sayWhy, tokenFault } from "./auth_faults.ts";
import { authFetch, AuthServerError } from "./auth_fetch.ts";
import type { Discovered } from "./discovery.ts";
import { fetchOfTokens } from "./token_answer.ts";
import { digestOfTokens, type Renewal, type RenewRequest, withTokens } from "./renew.ts";

interface MachineRequest extends RenewRequest {
  server: Discovered;
  scope: string | undefined;
}

/**
 * Gets tokens for a machine, without a user (RFC 6749, 4.4; MCP extension oauth-client-credentials): with a secret, or with
 * a signed assertion (RFC 7523). As a renewal, one process does it at a time.
 */
export async function getMachineTokens(
  store: CredentialStore,
  { id, oauth, seen, server, scope }: MachineRequest,
): Promise<Renewal> {
  let renewal: Renewal = { is: "renewed" };
  await store.change(id, async (before) => {
    if (await digestOfTokens(before) !== seen) return before;
    const { issuer, state, resource } = server;
    try {
      const { fetchToken } = await loadSdk();
      const tokens = await fetchToken(await providerOf(oauth, issuer), state.authorizationServerUrl, {
        metadata: state.authorizationServerMetadata,
        resource,
        scope,
        fetchFn: fetchOfTokens(authFetch(id.resource)),
      });
      const { refresh_token: _, ...rest } = tokens;
      const kept = { ...before, clients: before?.clients ?? {}, discovery: state, scope };
      return withTokens(kept, rest, issuer);
    } catch (thrown) {
      const is = tokenFault(thrown) === "passing" ? "failed" : "gone";
      renewal = { is, why: sayWhy(thrown, [oauth?.clientSecret]) };
      return before;
    }
  });
  return renewal;
}

async function providerOf(oauth: OAuthConfig | undefined, issuer: string) {
  const { ClientCredentialsProvider, PrivateKeyJwtProvider } = await loadSdk();
  const { clientId, clientSecret, privateKey } = oauth ?? {};
  if (clientId === undefined || (clientSecret === undefined && privateKey === undefined)) {
    throw new AuthServerError(
      'a login as a machine needs "clientId" and "clientSecret" or "privateKey" in "oauth" in mcp.json',
    );
  }
  const common = { clientId, clientName: "EXAI", expectedIssuer: issuer };
  return privateKey === undefined
    ? new ClientCredentialsProvider({ ...common, clientSecret: clientSecret! })
    : new PrivateKeyJwtProvider({
      ...common,
      privateKey: privateKey.pem,
      algorithm: privateKey.algorithm,
    });
}
