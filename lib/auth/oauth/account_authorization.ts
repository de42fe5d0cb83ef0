import { untilAborted } from "../../base/abort.ts";
import type { ExaiError } from "../../base/errors.ts";
import type { OAuthConfig } from "../../config/server_config.ts";
import type { AuthorizationRefusal, ServerAuthorization } from "../../remote/authorization.ts";
import type { AccountId } from "../credential_store.ts";
import { type LoginParts, scopeToAsk } from "./account_login.ts";
import { AccountNames } from "./account_names.ts";
import { AccountTokens } from "./account_tokens.ts";
import { type AccountConfig, loginFault, loginRequired, type OAuthAccountParts } from "./account_words.ts";
import { sayWhy } from "./auth_faults.ts";
import { type AuthFetch, authFetch, AuthServerError } from "./auth_fetch.ts";
import { bearerIn, includesScopes, readChallenge, type TokenChallenge } from "./challenge.ts";
import { accountResource, type Discovered, isSameIssuer } from "./discovery.ts";
import { LoginNeeds } from "./login_needs.ts";
import { getMachineTokens } from "./machine_tokens.ts";
import type { Renewal } from "./renew.ts";
import { ScopeAttempts } from "./scope_attempts.ts";
import { ServerMetadata } from "./server_metadata.ts";

/** Why a login is needed where tokens are of another authorization server than the one that is named now. */
const MOVED = "it is signed in to elsewhere now";

/** Authorizes the requests of one account to one server, for all windows and calls, with the tokens that are kept. */
export abstract class AccountAuthorization implements ServerAuthorization {
  readonly id: AccountId;
  protected config: AccountConfig;
  protected readonly parts: OAuthAccountParts;
  protected readonly tokens: AccountTokens;
  protected readonly metadata: ServerMetadata;
  protected readonly fetch: AuthFetch;
  protected readonly attempts = new ScopeAttempts();
  /** How often somebody has signed in since this process runs. */
  protected logins = 0;
  protected readonly needs = new LoginNeeds();
  readonly #names = new AccountNames();
  #recovering: Promise<boolean> | undefined;

  constructor(parts: OAuthAccountParts) {
    const { config, name, store, renew } = parts;
    this.id = { resource: accountResource(config.url), name };
    this.config = config;
    this.parts = parts;
    this.fetch = authFetch(config.url);
    this.tokens = new AccountTokens({ id: this.id, store, renew });
    this.metadata = new ServerMetadata(new URL(config.url), this.fetch);
  }

  /** The server has another configuration from now on. */
  configure(config: AccountConfig): void {
    this.config = config;
    this.metadata.forget();
  }

  protected get oauth(): OAuthConfig | undefined {
    return this.config.oauth || undefined;
  }

  protected get isMachine(): boolean {
    return this.oauth?.grant === "client_credentials";
  }

  async headersFor({ url }: { url: URL }): Promise<Readonly<Record<string, string>>> {
    // To no other host, whatever the server says.
    if (url.origin !== new URL(this.config.url).origin) return {};
    await this.tokens.load();
    if (this.tokens.current !== undefined && this.canRenew) {
      // What comes of it shows when the token is refused: by the clock of the server it may be good.
      if (this.tokens.isExpired) await this.#renew().catch(() => {});
      else if (this.tokens.isDue) void this.#renew().catch(() => {});
    }
    this.look();
    const token = this.tokens.current;
    this.#names.use(token === undefined ? undefined : this.tokens.kept?.login);
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  async refused(refusal: AuthorizationRefusal, signal: AbortSignal): Promise<boolean> {
    const deciding = this.#decide(refusal).catch((thrown) => {
      throw this.fault(thrown);
    });
    return await untilAborted(deciding, signal);
  }

  async #decide({ status, challenge: header, sent }: AuthorizationRefusal): Promise<boolean> {
    const token = bearerIn(sent);
    await this.tokens.reload();
    this.look();
    const now = this.tokens.current;
    if (now !== undefined && now !== token) {
      this.settle();
      return true;
    }
    this.#recovering ??= this.#recover().finally(() => this.#recovering = undefined);
    if (await this.#recovering) return true;
    const challenge = await readChallenge(header);
    return status === 403 ? await this.#widen(challenge, token) : await this.#renewOrAsk(challenge, token);
  }

  /** Whether what the server has refused a while ago is of use: nobody is to sign in anew because it erred once. */
  async #recover(): Promise<boolean> {
    const token = this.tokens.takeRefused();
    if (token === undefined) return false;
    const isOfUse = this.tokens.isExpired
      ? this.tokens.canRefresh && (await this.#renew()).is === "renewed"
      : await this.metadata.takes(token);
    if (!isOfUse) return false;
    this.tokens.accept();
    this.settle();
    return true;
  }

  async #renewOrAsk(challenge: TokenChallenge, token: string | undefined): Promise<boolean> {
    if (this.isMachine) return await this.#renewMachine(challenge, token);
    if (token !== undefined && this.tokens.canRefresh && !this.tokens.isFresh(token, "renewal")) {
      return await this.#renewPerson(challenge, token);
    }
    const server = await this.#issuerNow(challenge).catch((thrown) =>
      // Whoever is asked to sign in is told, and may try again when that is mended.
      this.#ask(challenge, token, sayWhy(thrown))
    );
    if (token === undefined) {
      return server !== undefined && this.#ask(challenge, token, "nobody has signed in");
    }
    if (server && !this.#isOf(server)) return this.#ask(challenge, token, MOVED);
    // Another login than that of just now would fare no better.
    if (!this.tokens.canRefresh && this.tokens.isFresh(token, "login")) return false;
    return this.#ask(challenge, token, "it does not take the login any more");
  }

  /** Whether the server has gone over to another authorization server is looked at when this has not helped. */
  async #renewPerson(challenge: TokenChallenge, token: string): Promise<boolean> {
    const renewal = await this.#renew();
    if (renewal.is === "renewed") return true;
    if (renewal.is === "gone") return this.#ask(challenge, token, renewal.why);
    const server = await this.#issuerNow(challenge).catch(() => undefined);
    if (server && !this.#isOf(server)) return this.#ask(challenge, token, MOVED);
    throw new AuthServerError(renewal.why);
  }

  async #renewMachine(challenge: TokenChallenge, token: string | undefined): Promise<boolean> {
    const server = await this.#issuerNow(challenge);
    const isRenewed = token !== undefined && this.tokens.isFresh(token, "renewal");
    if (!server || (isRenewed && this.#isOf(server))) return false;
    return await this.#asMachine(server, challenge);
  }

  /** What the server publishes now; it may have gone over to another authorization server since the login. */
  async #issuerNow(challenge: TokenChallenge): Promise<Discovered | undefined> {
    return await this.metadata.find(challenge, this.oauth?.issuer, this.tokens.givenAtMs);
  }

  #isOf({ issuer }: Discovered): boolean {
    const from = this.tokens.kept?.tokens?.issuer;
    return from === undefined || isSameIssuer(from, issuer);
  }

  /** A token that is good for less than was asked for. */
  async #widen(challenge: TokenChallenge, token: string | undefined): Promise<boolean> {
    const { kept } = this.tokens;
    if (token === undefined) return await this.#renewOrAsk(challenge, token);
    const wasAsked = includesScopes(kept?.scope, challenge.scope);
    // A machine signs in anew for each token.
    const login = this.isMachine ? token : `${this.logins}`;
    if (wasAsked && !this.attempts.mayHelp(challenge.scope ?? "", login)) return false;
    if (this.isMachine) {
      const server = await this.metadata.find(challenge, this.oauth?.issuer);
      return server !== undefined && await this.#asMachine(server, challenge);
    }
    this.needs.addScope(challenge);
    const wanted = challenge.scope === undefined ? "a wider scope" : `the scope ${challenge.scope}`;
    throw loginRequired(this.config, this.id, `it wants ${wanted}`);
  }

  async #asMachine(server: Discovered, challenge: TokenChallenge): Promise<boolean> {
    const { kept } = this.tokens;
    const scope = scopeToAsk({ ...this.loginParts(server, challenge.scope), kept });
    const renewal = await this.tokens.renew(
      this.oauth,
      (request) => getMachineTokens(this.parts.store, { ...request, server, scope }),
    );
    if (renewal.is === "renewed") {
      this.settle();
      return true;
    }
    throw new AuthServerError(renewal.why);
  }

  protected get canRenew(): boolean {
    return this.isMachine || this.tokens.canRefresh;
  }

  async #renew(): Promise<Renewal> {
    if (!this.isMachine) {
      const renewal = await this.tokens.renew(this.oauth);
      if (renewal.is === "gone") this.needs.endLogin(renewal.why);
      return renewal;
    }
    const server = await this.metadata.find({}, this.oauth?.issuer);
    if (!server) return { is: "failed", why: "it publishes no authorization server" };
    await this.#asMachine(server, { scope: this.tokens.kept?.scope });
    return { is: "renewed" };
  }

  /** @throws {ExaiError} `LOGIN_REQUIRED` */
  #ask(challenge: TokenChallenge, refused: string | undefined, why: string): never {
    if (refused !== undefined) this.tokens.refuse(refused);
    if (this.needs.addLogin(challenge, why, refused !== undefined)) this.parts.onChange("loginRequired");
    throw loginRequired(this.config, this.id, this.needs.whyLogin);
  }

  /** Tells of what is new in what is on disk: a login, here or by another process, or another person than was used. */
  protected look(): void {
    if (!this.tokens.isRead) return;
    const { kept, current } = this.tokens;
    if (current !== undefined && this.#names.isAnother(kept?.login)) this.parts.onChange("newPerson");
    if (!this.#names.isNewLogin(kept?.login)) return;
    this.needs.beSignedIn(kept?.tokens?.scope);
    // A login of another process may be for less than is waited for here.
    if (this.needs.challenge === undefined) this.parts.onChange("newLogin");
    this.parts.onChange("usableAgain");
  }

  /** There is a token that was not refused yet. */
  protected settle(): void {
    if (this.needs.beUsable()) this.parts.onChange("usableAgain");
  }

  protected loginParts(server: Discovered, wanted: string | undefined): LoginParts {
    const { kept } = this.tokens;
    const { metadataUrl } = this.parts;
    return { id: this.id, oauth: this.oauth, metadataUrl, server, wanted, kept, fetch: this.fetch };
  }

  protected fault(thrown: unknown, secrets: readonly (string | null)[] = []): ExaiError {
    return loginFault(thrown, { config: this.config, id: this.id, kept: this.tokens.kept, secrets });
  }
}
