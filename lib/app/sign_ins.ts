import type { AccountAdmin, AccountRow, AccountTarget } from "../admin/auth_routes.ts";
import { accountIdOf, type Accounts, type OAuthAccount, type Revocation } from "../auth/accounts.ts";
import { accountKey } from "../auth/credential_store.ts";
import type { PendingLogin } from "../auth/pending_login.ts";
import { PendingLogins } from "../auth/pending_logins.ts";
import { resolvedWithin } from "../base/abort.ts";
import { messageOf } from "../base/errors.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import { accountNames, DEFAULT_ACCOUNT, loginCommand, mayBeSignedInTo } from "../config/account_choice.ts";
import type { UrlServerConfig } from "../config/server_config.ts";
import type { ServerAuthorization } from "../remote/authorization.ts";
import { LoginServer, type ServerLogins } from "../upstream/login_server.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import type { DaemonEvents } from "./daemon_events.ts";
import { configFor, configOfAccount, isAddressOfWindow, serverNamed } from "./named_account.ts";

/** How long calls may run on at a server whose account is signed out. */
const SIGNED_OUT_GRACE_MS = MINUTE_MS;

/** The same after a login: most often it is by who was signed in before. */
const NEW_LOGIN_GRACE_MS = 10 * MINUTE_MS;

/** How long a login or a logout waits for what its servers list now. */
const MAX_LIST_WAIT_MS = 2 * SECOND_MS;

interface SignInsOptions {
  accounts: Accounts;
  events: DaemonEvents;
  /** The mounted servers. */
  servers(): readonly MountedServer[];
  /** Reads the lists of `servers` of which none are kept; never rejects. */
  readLists(servers: readonly MountedServer[]): Promise<unknown>;
}

/** Who is signed in to the mounted servers, and the logins that are waited for, of all windows and commands. */
export class SignIns implements AccountAdmin, AsyncDisposable {
  readonly #options: SignInsOptions;
  readonly #pending = new PendingLogins({
    onSignedIn: (account) => this.#readLists(account),
    isWanted: (account) => this.#serversOf(account).length > 0,
  });
  /** Accounts without which nothing can be done at their servers. */
  readonly #needed = new Set<OAuthAccount>();
  /** The names of the servers that an account was used for: the address of one may depend on the window. */
  readonly #users = new WeakMap<object, Set<string>>();
  /** Each server as windows see it. */
  readonly #shown = new WeakMap<MountedServer, Server>();

  constructor(options: SignInsOptions) {
    this.#options = options;
    const { accounts } = options;
    accounts.on("loginRequired", (account) => this.#loginRequired(account));
    accounts.on("newPerson", (account) => this.#newPerson(account));
    accounts.on("newLogin", (account) => this.#newLogin(account));
    accounts.on("usableAgain", (account) => this.#usableAgain(account));
    accounts.on("signedOut", (account) => this.#signedOut(account));
    accounts.on("dropped", (account) => this.#needed.delete(account));
  }

  /** What authorizes the requests to a server, bound to its sessions; undefined: its entry rules that out. */
  authorizationOf(config: UrlServerConfig): ServerAuthorization | undefined {
    return mayBeSignedInTo(config) ? this.#accountOf(config) : undefined;
  }

  /** The servers as windows see them: those that may want a login show a tool for that. */
  shown(servers: readonly MountedServer[]): Server[] {
    return servers.map((server) => {
      if (!mayBeSignedInTo(server.config)) return server;
      let shown = this.#shown.get(server);
      if (!shown) this.#shown.set(server, shown = new LoginServer(server, this.#loginsOf(server)));
      return shown;
    });
  }

  /** Which servers need a login, each in a sentence. */
  notes(): string[] {
    return [...this.#needed].flatMap((account) =>
      this.#serversOf(account).map(({ name: server }) =>
        `server ${server} needs a login: ${loginCommand({ server, account: account.id.name })}`
      )
    );
  }

  async accounts(name: string | undefined): Promise<AccountRow[]> {
    const servers = name === undefined
      ? this.#options.servers()
      : [serverNamed(this.#options.servers(), name)];
    const all = servers.flatMap(({ config }) =>
      // An address that depends on the window is known once one has used it.
      mayBeSignedInTo(config) && !isAddressOfWindow(config)
        ? accountNames(config).map((account) => ({ ...config, account }))
        : []
    );
    return await Promise.all(all.map((config) => this.#rowOf(config)));
  }

  async begin(target: AccountTarget, kind: "browser" | "device"): Promise<PendingLogin> {
    return await this.#begin(configOfAccount(this.#options.servers(), target), kind);
  }

  async login(id: string): Promise<PendingLogin | undefined> {
    return await this.#pending.withId(id);
  }

  async logout(target: AccountTarget): Promise<Revocation> {
    const account = this.#accountOf(configOfAccount(this.#options.servers(), target));
    const revocation = await account.logout();
    await this.#readLists(account);
    return revocation;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pending[Symbol.asyncDispose]();
  }

  async #rowOf(config: UrlServerConfig): Promise<AccountRow> {
    const { name: server, account = DEFAULT_ACCOUNT } = config;
    try {
      const { state, issuer, scope, expiresAtMs, isRenewed, why } = await this.#accountOf(config).status();
      const expires_at = expiresAtMs === undefined ? undefined : new Date(expiresAtMs).toISOString();
      return { server, account, state, issuer, scope, expires_at, is_renewed: isRenewed, why };
    } catch (thrown) {
      return { server, account, state: "signed_out", why: messageOf(thrown) };
    }
  }

  #accountOf(config: UrlServerConfig): OAuthAccount {
    const account = this.#options.accounts.of(config);
    const users = this.#users.get(account) ?? new Set();
    this.#users.set(account, users.add(config.name));
    return account;
  }

  async #begin(config: UrlServerConfig, kind: "browser" | "device"): Promise<PendingLogin> {
    const account = this.#accountOf(config);
    const { redirectUrl: address, callbackPort: port } = config.oauth || {};
    return kind === "device"
      ? await this.#pending.beginDevice({ account, server: config.name })
      : await this.#pending.begin({ account, server: config.name, redirect: { address, port } });
  }

  #loginsOf(server: MountedServer): ServerLogins {
    const needed = this.#needed;
    const isUsed = (account: OAuthAccount) => this.#isUsedFor(server, account);
    const configOf = (caller: Caller) => configFor(server, caller);
    return {
      get areNeeded() {
        return needed.size > 0 && [...needed].some(isUsed);
      },
      isNeededBy: async (caller) => {
        const config = await configOf(caller).catch(() => undefined);
        return config !== undefined && needed.has(this.#accountOf(config));
      },
      isSignedIn: async (caller) => {
        const status = configOf(caller).then((config) => this.#accountOf(config).status());
        return (await status.catch(() => undefined))?.state === "signed_in";
      },
      accountOf: async (caller) => {
        const { account } = await configOf(caller);
        return account === DEFAULT_ACCOUNT ? undefined : account;
      },
      begin: async (caller) => await this.#begin(await configOf(caller), "browser"),
    };
  }

  #loginRequired(account: OAuthAccount): void {
    this.#needed.add(account);
    this.#leave(account);
    this.#announce(account);
  }

  #usableAgain(account: OAuthAccount): void {
    if (this.#needed.delete(account)) this.#forgetLists(account);
    for (const server of this.#serversOf(account)) server.resetBackoff();
    this.#announce(account);
  }

  /** With it the same person may be shown other lists, too: of a wider scope, or of another workspace. */
  #newLogin(account: OAuthAccount): void {
    this.#pending.signedIn(account.id);
    this.#forgetLists(account);
  }

  /** Nothing goes on in the name of who it was. */
  #newPerson(account: OAuthAccount): void {
    this.#leave(account, { graceMs: NEW_LOGIN_GRACE_MS, isStartingToo: true });
    this.#forgetLists(account);
  }

  #signedOut(account: OAuthAccount): void {
    this.#leave(account, { isStartingToo: true });
    this.#forgetLists(account);
    this.#announce(account);
  }

  /** So that the next list of a window is that of now: some clients ask once, and follow no notification. */
  async #readLists(account: Pick<OAuthAccount, "id">): Promise<void> {
    await resolvedWithin(this.#options.readLists(this.#serversOf(account)), MAX_LIST_WAIT_MS);
  }

  /** Somebody else is shown other lists, and nobody none. */
  #forgetLists(account: OAuthAccount): void {
    for (const server of this.#serversOf(account)) server.lists.forgetAccount(account.id.name);
  }

  /**
   * Ends the connections in the name of an account: the next may be those of somebody else. One that is starting may have
   * begun in the name of who it was; where a login is only needed, it waits for that.
   */
  #leave(account: OAuthAccount, { graceMs = SIGNED_OUT_GRACE_MS, isStartingToo = false } = {}): void {
    const key = accountKey(account.id);
    for (const server of this.#serversOf(account)) {
      const own = Array.from(server.slots).filter(({ url, listScope }) =>
        url !== undefined && accountKey(accountIdOf({ url, account: listScope.account })) === key
      );
      for (const slot of own) {
        if (slot.started) server.retireSlot(slot, graceMs);
        else if (isStartingToo) server.end(slot);
      }
    }
  }

  #announce(account: OAuthAccount): void {
    const names = this.#serversOf(account).map(({ name }) => name);
    if (names.length > 0) this.#options.events.emit("serversChanged", names);
    this.#options.events.emit("healthChanged");
  }

  #serversOf(account: Pick<OAuthAccount, "id">): MountedServer[] {
    return this.#options.servers().filter((server) => this.#isUsedFor(server, account));
  }

  /** Whether requests to a server are in the name of an account, as its entry is now. */
  #isUsedFor({ name, config }: MountedServer, account: Pick<OAuthAccount, "id">): boolean {
    const { id } = account;
    if (!mayBeSignedInTo(config) || !accountNames(config).includes(id.name)) return false;
    if (isAddressOfWindow(config)) return this.#users.get(account)?.has(name) === true;
    return accountKey(accountIdOf({ url: config.url, account: id.name })) === accountKey(id);
  }
}
