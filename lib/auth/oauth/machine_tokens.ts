// @ts-types="@modelcontextprotocol/client"
import type { StoredOAuthClientInformation } from "@modelcontextprotocol/client";
import { getLogger } from "@logtape/logtape";
import type { OAuthConfig } from "../../config/server_config.ts";
import type { CredentialStore, KeptCredentials } from "../credential_store.ts";
import { loadSdk, sayWhy } from "./auth_faults.ts";
import { authFetch, AuthServerError } from "./auth_fetch.ts";
import { SIGNED } from "./client_auth.ts";
import { preregistered } from "./client_choice.ts";
import type { Discovered } from "./discovery.ts";
import { fetchOfTokens } from "./token_answer.ts";
import { digestOfTokens, type Renewal, type RenewRequest, withTokens } from "./renew.ts";

const log = getLogger(["exai", "auth"]);

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
      const client = machineClient(server, oauth, before);
      const tokens = await fetchToken(await providerOf(oauth!, client), state.authorizationServerUrl, {
        metadata: state.authorizationServerMetadata,
        resource,
        scope,
        fetchFn: fetchOfTokens(authFetch(id.resource)),
      });
      if (before?.clients[issuer] === undefined && oauth?.issuer === undefined) {
        log.info("the client {id} of {resource} is that of {issuer} from now on", {
          id: client.client_id,
          resource: id.resource,
          issuer,
        });
      }
      const { refresh_token: _, ...rest } = tokens;
      const clients = { ...before?.clients, [issuer]: client };
      const kept = { ...before, clients, discovery: state, scope, login: undefined };
      return withTokens(kept, rest, issuer);
    } catch (thrown) {
      renewal = { is: "failed", why: sayWhy(thrown, [oauth?.clientSecret]) };
      return before;
    }
  });
  return renewal;
}

/**
 * The client of a machine, which is that of one authorization server as any that the configuration names.
 *
 * @throws {AuthServerError} it is that of another one, or the configuration lacks what it needs
 */
function machineClient(
  server: Discovered,
  oauth: OAuthConfig | undefined,
  kept: KeptCredentials | undefined,
) {
  const { clientId, clientSecret, privateKey } = oauth ?? {};
  if (clientId === undefined || (clientSecret === undefined && privateKey === undefined)) {
    throw new AuthServerError(
      'a login as a machine needs "clientId" and "clientSecret" or "privateKey" in "oauth" in mcp.json',
    );
  }
  const client = preregistered(server, { ...oauth, clientId }, kept);
  return privateKey === undefined ? client : { ...client, token_endpoint_auth_method: SIGNED };
}

async function providerOf(
  { clientSecret, privateKey }: OAuthConfig,
  { client_id: clientId, issuer }: StoredOAuthClientInformation,
) {
  const { ClientCredentialsProvider, PrivateKeyJwtProvider } = await loadSdk();
  const common = { clientId, clientName: "EXAI", expectedIssuer: issuer };
  return privateKey === undefined
    ? new ClientCredentialsProvider({ ...common, clientSecret: clientSecret! })
    : new PrivateKeyJwtProvider({ ...common, privateKey: privateKey.pem, algorithm: privateKey.algorithm });
}
