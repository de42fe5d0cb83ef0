// @ts-types="@modelcontextprotocol/client"
import type { OAuthTokens, StoredOAuthClientInformation } from "@modelcontextprotocol/client";
import { monotonicNow } from "../../base/time.ts";
import type { OAuthConfig } from "../../config/server_config.ts";
import { makeNonce } from "../../wire/proof.ts";
import type { AccountId, KeptCredentials } from "../credential_store.ts";
import { LOGIN_MS } from "../pending_login.ts";
import { loadSdk } from "./auth_faults.ts";
import { assertSecure, type AuthFetch, AuthServerError } from "./auth_fetch.ts";
import { scopeUnion, withScopes } from "./challenge.ts";
import { chooseClient } from "./client_choice.ts";
import { assertPkce, type Discovered, isSameIssuer } from "./discovery.ts";
import { fetchOfTokens } from "./token_answer.ts";
import { withTokens } from "./renew.ts";
import { subjectOf } from "./signed_in_as.ts";

/** How many logins of one account may be begun while one is waited for. */
const MAX_BEGUN = 8;

/** What a login of an account is made of. */
export interface LoginParts {
  id: AccountId;
  oauth: OAuthConfig | undefined;
  metadataUrl: string | undefined;
  server: Discovered;
  /** What the server wants for what is to be done. */
  wanted: string | undefined;
  kept: KeptCredentials | undefined;
  fetch: AuthFetch;
}

/** A login that has been agreed with an authorization server; nothing of it is kept before it is done. */
interface AgreedLogin {
  server: Discovered;
  client: StoredOAuthClientInformation;
  scope: string | undefined;
}

interface BegunCodeLogin extends AgreedLogin {
  redirectUrl: string;
  codeVerifier: string;
  begunAtMs: number;
}

/** What a login gives to keep. */
export interface DoneLogin extends AgreedLogin {
  tokens: OAuthTokens;
}

/**
 * The scopes to ask for (MCP basic/authorization, scope selection strategy): those of the configuration, else what the
 * server asked for, else what it publishes; with all that was asked for before, and `offline_access` where there is such.
 */
export function scopeToAsk(
  { oauth, server, wanted, kept }: Omit<LoginParts, "fetch" | "id">,
): string | undefined {
  const base = oauth?.scopes?.join(" ") ?? wanted ?? server.scopesSupported?.join(" ");
  // Also once the tokens are gone: scopes of one authorization server mean nothing to another.
  const before = kept?.tokens?.issuer ?? kept?.discovery?.authorizationServerMetadata?.issuer;
  const isSame = before === undefined || isSameIssuer(before, server.issuer);
  const scope = withScopes(isSame ? kept?.scope : undefined, scopeUnion(base, wanted));
  const { scopes_supported: offered } = server.state.authorizationServerMetadata;
  const isOffline = offered?.includes("offline_access") && oauth?.grant !== "client_credentials";
  return scope !== undefined && isOffline ? scopeUnion(scope, "offline_access") : scope;
}

/** Agrees on a client and scopes; without `redirectUrl` for a device. */
export async function agree(parts: LoginParts, redirectUrl?: string): Promise<AgreedLogin> {
  const scope = scopeToAsk(parts);
  return { server: parts.server, scope, client: await chooseClient({ ...parts, redirectUrl, scope }) };
}

/** Logins in a browser that were begun and are waited for, by their `state`. */
export class BegunLogins {
  readonly #begun = new Map<string, BegunCodeLogin>();

  /** Begins one, whose answer goes to `redirectUrl`. */
  async begin(parts: LoginParts, redirectUrl: string): Promise<{ authorizationUrl: URL; state: string }> {
    const { server, oauth, id } = parts;
    const { issuer, resource, state: { authorizationServerUrl, authorizationServerMetadata: metadata } } =
      server;
    assertPkce(server, oauth?.issuer);
    const agreed = await agree(parts, redirectUrl);
    const state = makeNonce();
    const { startAuthorization } = await loadSdk();
    const { authorizationUrl, codeVerifier } = await startAuthorization(authorizationServerUrl, {
      metadata,
      clientInformation: agreed.client,
      redirectUrl,
      scope: agreed.scope,
      state,
      resource,
    });
    try {
      assertSecure(authorizationUrl, new URL(id.resource));
    } catch {
      throw new AuthServerError(`${issuer} has its login at ${authorizationUrl.origin}, which is not https`);
    }
    this.#begun.set(state, { ...agreed, redirectUrl, codeVerifier, begunAtMs: monotonicNow() });
    for (const [old] of Array.from(this.#begun).slice(0, -MAX_BEGUN)) this.#begun.delete(old);
    return { authorizationUrl, state };
  }

  /**
   * Takes the answer of an authorization server; each is taken once. Its issuer is compared before anything of it is used or
   * shown (RFC 9207; MCP basic/authorization, authorization response validation).
   *
   * @throws {AuthServerError} why nobody is signed in
   */
  async finish(params: URLSearchParams, fetch: AuthFetch): Promise<DoneLogin> {
    const state = params.get("state") ?? "";
    const login = this.#begun.get(state);
    this.#begun.delete(state);
    if (!login || monotonicNow() - login.begunAtMs > LOGIN_MS) {
      throw new AuthServerError(
        "the answer belongs to no login that is waited for: it came too late, or twice",
      );
    }
    const { server: { state: { authorizationServerMetadata: metadata, authorizationServerUrl }, resource } } =
      login;
    const sdk = await loadSdk();
    const iss = params.get("iss") ?? undefined;
    sdk.validateAuthorizationResponseIssuer({
      iss,
      expectedIssuer: metadata.issuer,
      issParameterSupported: metadata.authorization_response_iss_parameter_supported === true,
    });
    const code = params.get("code");
    const error = params.get("error");
    if (error !== null || code === null) throw new LoginDeclinedError(error, params.get("error_description"));
    const tokens = await sdk.exchangeAuthorization(authorizationServerUrl, {
      metadata,
      clientInformation: login.client,
      authorizationCode: code,
      iss,
      codeVerifier: login.codeVerifier,
      redirectUri: login.redirectUrl,
      resource,
      fetchFn: fetchOfTokens(fetch),
    });
    return { ...login, tokens };
  }
}

/** An authorization server refused to sign anybody in; `invalid_scope` where it was for what was asked for. */
export class LoginDeclinedError extends AuthServerError {
  constructor(readonly reason: string | null, description: string | null) {
    const why = reason === "access_denied"
      ? "it was declined"
      : `it was refused (${reason ?? "without a code"})`;
    super(description === null ? why : `${why}: ${description}`);
  }
}

/** What is on disk once a login is done: what else is there of other authorization servers stays. */
export async function afterLogin(
  before: KeptCredentials | undefined,
  { server, client, scope, tokens }: DoneLogin,
): Promise<KeptCredentials> {
  const { issuer, state } = server;
  const clients = { ...before?.clients, [issuer]: { ...client, issuer } };
  const granted = { ...tokens, scope: tokens.scope ?? scope };
  const login = { id: crypto.randomUUID(), subject: await subjectOf(tokens, issuer) };
  return withTokens({ clients, discovery: state, scope, login }, granted, issuer);
}
