import { monotonicNow } from "../../base/time.ts";
import type { KeptCredentials } from "../credential_store.ts";
import { AccountAuthorization } from "./account_authorization.ts";
import {
  afterLogin,
  agree,
  BegunLogins,
  type DoneLogin,
  LoginDeclinedError,
  type LoginParts,
} from "./account_login.ts";
import type { AccountStatus } from "./account_words.ts";
import { AuthServerError } from "./auth_fetch.ts";
import { fetchOfTokens } from "./token_answer.ts";
import { registeredPort } from "./client_choice.ts";
import { plainClient, type Revocation, revokeLogin } from "./client_auth.ts";
import { signedInAs } from "./signed_in_as.ts";

/** The login of one account at one server: how it begins, how it stands, how it ends (MCP basic/authorization). */
export class OAuthAccount extends AccountAuthorization {
  readonly #logins = new BegunLogins();

  async registeredPort(): Promise<number | undefined> {
    await this.tokens.reload();
    return registeredPort(this.tokens.kept);
  }

  /** What a login needs to know of the authorization server. */
  async #prepare(): Promise<LoginParts> {
    if (this.isMachine) throw new AuthServerError("it is signed in to as a machine, without anybody");
    await this.tokens.reload();
    this.look();
    const challenge = this.needs.challenge ?? await this.metadata.challenge();
    // What was wrong with it the last time may have been mended.
    const server = await this.metadata.find(challenge, this.oauth?.issuer, monotonicNow());
    if (!server) throw new AuthServerError("it publishes no way to sign in, and may need none");
    return this.loginParts(server, challenge.scope);
  }

  /**
   * Begins a login in a browser, whose answer goes to `redirectUrl`. Nothing of it is kept before it is done.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with what is wrong with the authorization server
   */
  async beginLogin(
    { redirectUrl }: { redirectUrl: string },
  ): Promise<{ authorizationUrl: URL; state: string }> {
    try {
      return await this.#logins.begin(await this.#prepare(), redirectUrl);
    } catch (thrown) {
      throw this.fault(thrown);
    }
  }

  /**
   * Ends a login with the parameters that came to its redirect address, errors included. The tokens are on disk before it
   * resolves.
   *
   * @returns as whom, where the authorization server says it
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with why nobody is signed in
   */
  async finishLogin(params: URLSearchParams): Promise<string | undefined> {
    try {
      const login = await this.#logins.finish(params, this.fetch);
      await this.#keep(login);
      return await signedInAs(login.tokens);
    } catch (thrown) {
      if (thrown instanceof LoginDeclinedError && thrown.reason === "invalid_scope") {
        await this.#forgetScope();
      }
      throw this.fault(thrown, [params.get("code"), params.get("state")]);
    }
  }

  /**
   * What a login by the code of a device needs (RFC 8628).
   *
   * @throws {ExaiError} as {@linkcode beginLogin}
   */
  async deviceClient() {
    try {
      const parts = await this.#prepare();
      const agreed = await agree(parts);
      const { server, scope, client } = agreed;
      return {
        ...await plainClient(server.state.authorizationServerMetadata, client),
        resource: server.resource,
        scope,
        fetch: fetchOfTokens(this.fetch) as typeof fetch,
        keep: (tokens: DoneLogin["tokens"]) => this.#keep({ ...agreed, tokens }),
      };
    } catch (thrown) {
      throw this.fault(thrown);
    }
  }

  async #keep(login: DoneLogin): Promise<void> {
    await this.tokens.change((before) => afterLogin(before, login), "login");
    this.logins++;
    this.needs.clear();
    this.look();
  }

  /** The next login asks for no more than the server does. */
  async #forgetScope(): Promise<void> {
    this.needs.forgetScope();
    await this.tokens.change((before) => Promise.resolve(before && { ...before, scope: undefined }));
  }

  /** Signs out: here whatever happens, and at the authorization server where that is offered (RFC 7009). */
  async logout(): Promise<Revocation> {
    let ended: KeptCredentials | undefined;
    await this.tokens.change((before) => {
      ended = before;
      return Promise.resolve(before && { clients: before.clients, discovery: before.discovery });
    });
    this.attempts.clear();
    this.needs.clear();
    this.parts.onChange("signedOut");
    return await revokeLogin(ended, this.fetch);
  }

  /** How the account stands, by what is on disk. */
  async status(): Promise<AccountStatus> {
    await this.tokens.reload();
    this.look();
    const { kept, current } = this.tokens;
    if (current !== undefined) this.settle();
    const why = this.needs.whyLogin;
    return {
      state: why !== undefined ? "login_required" : current === undefined ? "signed_out" : "signed_in",
      issuer: kept?.tokens?.issuer,
      scope: kept?.tokens?.scope,
      expiresAtMs: kept?.expiresAtMs,
      isRenewed: this.canRenew,
      why,
    };
  }
}
