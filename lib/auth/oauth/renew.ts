// @ts-types="@modelcontextprotocol/client"
import type { OAuthTokens, StoredOAuthClientInformation } from "@modelcontextprotocol/client";
import { SECOND_MS } from "../../base/units.ts";
import type { OAuthConfig } from "../../config/server_config.ts";
import type { AccountId, CredentialStore, KeptCredentials } from "../credential_store.ts";
import { loadSdk, sayWhy, tokenFault } from "./auth_faults.ts";
import { type AuthFetch, authFetch, AuthServerError } from "./auth_fetch.ts";
import { fetchOfTokens } from "./token_answer.ts";
import { isUsable } from "./challenge.ts";

/** Which tokens to renew. Nothing in it is secret but what the configuration has of the client. */
export interface RenewRequest {
  id: AccountId;
  oauth: OAuthConfig | undefined;
  /** {@linkcode digestOfTokens} of those that are to be replaced: others on disk have been renewed by somebody else. */
  seen: string;
}

/** What came of it. */
export type Renewal =
  | { is: "renewed" }
  /** Only a new login helps. */
  | { is: "gone"; why: string }
  /** It may work later: the tokens are as they were. */
  | { is: "failed"; why: string };

/** Renews tokens: {@linkcode renewTokens}, or what has another process do it. */
export type Renew = (request: RenewRequest) => Promise<Renewal>;

/**
 * Tells what came of one renewal from what came of another without naming it: of both tokens and their time, as a server
 * may give the refresh token again, or the access token.
 */
export async function digestOfTokens(
  { tokens, expiresAtMs }: Partial<KeptCredentials> = {},
): Promise<string> {
  const text = JSON.stringify([tokens?.refresh_token, tokens?.access_token, expiresAtMs]);
  const bytes = new TextEncoder().encode(text);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/**
 * Exchanges the refresh token of an account for new tokens, which are on disk before this resolves. No other process
 * changes the account meanwhile, and one that comes second finds the new tokens and sends nothing.
 */
export async function renewTokens(
  store: CredentialStore,
  { id, oauth, seen }: RenewRequest,
  fetch: AuthFetch = authFetch(id.resource),
): Promise<Renewal> {
  let renewal: Renewal = { is: "renewed" };
  await store.change(id, async (before) => {
    if (await digestOfTokens(before) !== seen) {
      if (before?.tokens === undefined) renewal = { is: "gone", why: "it was signed out" };
      return before;
    }
    const { tokens, discovery } = before ?? {};
    if (tokens?.refresh_token === undefined || discovery === undefined) {
      renewal = { is: "gone", why: "there is nothing to renew the login with" };
      return before;
    }
    const client = clientOf(before!, oauth);
    try {
      const renewed = await refresh(before!, { client, resource: resourceOf(id, before!), fetch });
      return withTokens(before!, renewed, tokens.issuer);
    } catch (thrown) {
      const why = sayWhy(thrown, [tokens.refresh_token, tokens.access_token, client?.client_secret]);
      const fault = tokenFault(thrown);
      const isForgotten = fault === "client" && isRegistration(client, oauth);
      renewal = { is: fault === "grant" || fault === "request" || isForgotten ? "gone" : "failed", why };
      return fault === "grant" || isForgotten ? withoutTokens(before!, fault) : before;
    }
  });
  return renewal;
}

/**
 * Whether a client is a registration, which a server may have deleted: the next login makes another. A wrong secret in the
 * configuration is mended there, and a metadata document may be out of the server's reach for a moment.
 */
function isRegistration(
  client: StoredOAuthClientInformation | undefined,
  oauth: OAuthConfig | undefined,
): boolean {
  return oauth?.clientId === undefined && URL.parse(client?.client_id ?? "")?.protocol !== "https:";
}

/** The client that the tokens are of, with its secret as the configuration has it now. */
function clientOf(
  kept: KeptCredentials,
  oauth: OAuthConfig | undefined,
): StoredOAuthClientInformation | undefined {
  const issuer = kept.tokens?.issuer;
  const client = issuer === undefined ? undefined : kept.clients[issuer];
  if (client === undefined || oauth?.clientId !== client.client_id) return client;
  return { ...client, client_secret: oauth.clientSecret };
}

/** What the tokens of an account are for, as it was named when they were asked for. */
function resourceOf({ resource }: AccountId, { discovery }: KeptCredentials): string {
  return discovery?.resourceMetadata?.resource ?? resource;
}

interface RefreshParts {
  client: StoredOAuthClientInformation | undefined;
  resource: string;
  fetch: AuthFetch;
}

async function refresh(
  { tokens, discovery }: KeptCredentials,
  { client, resource, fetch }: RefreshParts,
): Promise<OAuthTokens> {
  if (!client) throw new AuthServerError("the client that the login was made with is not known any more");
  const { refreshAuthorization } = await loadSdk();
  return await refreshAuthorization(discovery!.authorizationServerUrl, {
    metadata: discovery!.authorizationServerMetadata,
    clientInformation: client,
    refreshToken: tokens!.refresh_token!,
    resource,
    fetchFn: fetchOfTokens(fetch),
  });
}

/**
 * `kept` with new tokens. An answer that leaves out the scope means the one that was asked for (RFC 6749, 5.1).
 *
 * @throws {AuthServerError} they cannot be used
 */
export function withTokens(
  kept: KeptCredentials,
  { id_token: _said, ...tokens }: OAuthTokens,
  issuer: string | undefined,
): KeptCredentials {
  const stamped = { ...tokens, scope: tokens.scope ?? kept.tokens?.scope, issuer };
  if (!isUsable(stamped)) {
    throw new AuthServerError(
      "the token that it gave is of another type than Bearer, or none that could be sent",
    );
  }
  return { ...kept, tokens: stamped, expiresAtMs: expiryOf(tokens.expires_in) };
}

/** Nothing that an authorization server says of times is taken for more than a hint. */
const MAX_LIFETIME_S = 10 * 365 * 24 * 3600;

/** How long a token lives that an authorization server gave `seconds`, in milliseconds; undefined: not known. */
export function lifetimeOf(seconds: number | undefined): number | undefined {
  if (seconds === undefined || !(seconds > 0)) return undefined;
  return Math.min(seconds, MAX_LIFETIME_S) * SECOND_MS;
}

function expiryOf(seconds: number | undefined): number | undefined {
  const lifetimeMs = lifetimeOf(seconds);
  return lifetimeMs === undefined ? undefined : Date.now() + lifetimeMs;
}

/** `kept` as it is once its tokens are worth nothing. */
function withoutTokens(kept: KeptCredentials, fault: "grant" | "client"): KeptCredentials {
  const { tokens, expiresAtMs: _, ...rest } = kept;
  if (fault === "grant" || tokens?.issuer === undefined) return rest;
  const { [tokens.issuer]: _client, ...clients } = kept.clients;
  return { ...rest, clients };
}
