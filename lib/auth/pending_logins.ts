import { getLogger } from "@logtape/logtape";
import { ExaiError, messageOf } from "../base/errors.ts";
import { type AccountId, accountKey } from "./credential_store.ts";
import type { LoginAccount } from "./login/login_account.ts";
import { checkedPage, LOGIN_MS, PendingLogin } from "./pending_login.ts";
import { type RedirectAddress, RedirectListener } from "./login/redirect_listener.ts";
import { type DeviceAccount, pollDevice } from "./login/device_login.ts";

const log = getLogger(["exai", "auth"]);

/** Logins that have ended and are remembered. */
const MAX_ENDED = 32;

/** What somebody wants to sign in to. */
interface LoginRequest<Account = LoginAccount> {
  account: Account;
  /** The server's name, for people. */
  server: string;
  /** The redirect address of a registration that names one. */
  redirect?: RedirectAddress;
}

interface PendingLoginsOptions {
  /** How long a person may take. */
  timeoutMs?: number;
  /** Resolves when it may be said that somebody has signed in to an account; never rejects. */
  onSignedIn?(account: { id: AccountId }): Promise<void>;
  /** Whether the account is one of a server still: its entry may have changed while a person was signing in. */
  isWanted?(account: { id: AccountId }): boolean;
}

/**
 * The logins that are waited for, at most one of a kind for each account: whoever needs one while it is pending joins
 * it, and all are told when it is done.
 */
export class PendingLogins implements AsyncDisposable {
  readonly #timeoutMs: number;
  readonly #onSignedIn: PendingLoginsOptions["onSignedIn"];
  readonly #isWanted: NonNullable<PendingLoginsOptions["isWanted"]>;
  readonly #pending = new Map<string, { account: AccountId; login: Promise<PendingLogin> }>();
  /** The last that have ended, for whoever asks what became of one, by id. */
  readonly #ended = new Map<string, PendingLogin>();
  readonly #closing = new Set<Promise<void>>();
  #isClosed = false;

  constructor({ timeoutMs = LOGIN_MS, onSignedIn, isWanted = () => true }: PendingLoginsOptions = {}) {
    this.#timeoutMs = timeoutMs;
    this.#onSignedIn = onSignedIn;
    this.#isWanted = isWanted;
  }

  /**
   * The pending login of an account in a browser; begins one if there is none.
   *
   * @throws {ExaiError} what is wrong with the authorization server, or the port
   */
  begin(request: LoginRequest): Promise<PendingLogin> {
    return this.#join("browser", request.account.id, () => this.#inBrowser(request));
  }

  /**
   * The pending login of an account by a code that is typed in on another device (RFC 8628); begins one if there is none.
   *
   * @throws {ExaiError} what is wrong with the authorization server, or that it does not offer this
   */
  beginDevice(request: LoginRequest<DeviceAccount>): Promise<PendingLogin> {
    return this.#join("device", request.account.id, () => this.#onDevice(request));
  }

  /** The login with an id that was given out; undefined: there was none, or it ended long ago. */
  async withId(id: string): Promise<PendingLogin | undefined> {
    const ended = this.#ended.get(id);
    if (ended) return ended;
    const all = Array.from(this.#pending.values(), ({ login }) => login.catch(() => undefined));
    return (await Promise.all(all)).find((login) => login?.id === id);
  }

  /** Somebody has signed in to an account, by whatever way: nobody needs to do it any more. */
  signedIn(account: AccountId): void {
    for (const { account: id, login } of this.#pending.values()) {
      if (accountKey(id) === accountKey(account)) {
        login.then((it) => it.isAnswered ? undefined : this.#succeed(it), () => {});
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const why = new ExaiError("SHUTTING_DOWN", "the daemon is stopping; begin again when it runs");
    const logins = Array.from(
      this.#pending.values(),
      ({ login }) => login.then((it) => it.fail(why), () => {}),
    );
    await Promise.all(logins);
    await Promise.all(this.#closing);
  }

  #join(kind: string, account: AccountId, begin: () => Promise<PendingLogin>): Promise<PendingLogin> {
    if (this.#isClosed) return Promise.reject(new ExaiError("SHUTTING_DOWN", "the daemon is stopping"));
    const key = `${kind} ${accountKey(account)}`;
    const known = this.#pending.get(key);
    if (known) return known.login;
    const login = begin();
    const pending = { account, login };
    this.#pending.set(key, pending);
    const end = () => void (this.#pending.get(key) === pending && this.#pending.delete(key));
    login.then((it) => {
      const keep = () => {
        this.#ended.set(it.id, it);
        for (const old of [...this.#ended.keys()].slice(0, -MAX_ENDED)) this.#ended.delete(old);
        end();
      };
      it.done.then(keep, keep);
    }, end);
    return login;
  }

  async #inBrowser({ account, server, redirect }: LoginRequest): Promise<PendingLogin> {
    const listener = await listenerFor(account, redirect);
    try {
      const { authorizationUrl, state } = await account.beginLogin({ redirectUrl: listener.url });
      const url = checkedPage(authorizationUrl);
      const take = async (params: URLSearchParams) => {
        login.answered();
        try {
          this.#assertWanted({ account, server });
          const person = await account.finishLogin(params);
          await this.#succeed(login, person);
          return person;
        } catch (thrown) {
          login.fail(thrown);
          throw thrown;
        }
      };
      const login = new PendingLogin({
        account: account.id,
        server,
        timeoutMs: this.#timeoutMs,
        prompt: { kind: "browser", url },
        take: (params) => listener.take(params),
      });
      listener.expect({ state, server, account: account.id.name, take });
      this.#follow(login, () => listener[Symbol.asyncDispose]());
      return login;
    } catch (thrown) {
      await listener[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  async #onDevice({ account, server }: LoginRequest<DeviceAccount>): Promise<PendingLogin> {
    const client = await account.deviceClient();
    const keep: typeof client.keep = async (tokens) => {
      this.#assertWanted({ account, server });
      await client.keep(tokens);
    };
    const { prompt, poll, expiresInMs } = await pollDevice({ ...client, keep });
    const stopped = new AbortController();
    const login = new PendingLogin({
      account: account.id,
      server,
      timeoutMs: Math.min(expiresInMs, this.#timeoutMs),
      prompt,
    });
    poll(stopped.signal).then(() => this.#succeed(login), (thrown) => login.fail(thrown));
    this.#follow(login, () => Promise.resolve(stopped.abort()));
    return login;
  }

  /** What was signed in to would be used by nobody, and whoever signs in is not to be told that it is. */
  #assertWanted({ account, server }: Pick<LoginRequest<{ id: AccountId }>, "account" | "server">): void {
    if (this.#isWanted(account)) return;
    const why = `the entry of server "${server}" in mcp.json has changed meanwhile, and no server has this ` +
      "account any more; begin again";
    throw new ExaiError("CONFIG", why);
  }

  async #succeed(login: PendingLogin, person?: string): Promise<void> {
    login.answered();
    await this.#onSignedIn?.({ id: login.account });
    login.succeed(person);
  }

  #follow({ done, server, account }: PendingLogin, close: () => Promise<void>): void {
    const about = { server, account: account.name };
    const ended = done.then(
      () => log.info("{server}: signed in as {account}", about),
      (thrown) =>
        log.warning("{server}: not signed in as {account}: {why}", { ...about, why: messageOf(thrown) }),
    );
    const closing = ended.then(close);
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }
}

/** At the port that the client is registered with while that is free, so that not each login makes a registration. */
async function listenerFor(account: LoginAccount, redirect: RedirectAddress = {}): Promise<RedirectListener> {
  const port = redirect.port ?? await account.registeredPort().catch(() => undefined);
  try {
    return new RedirectListener({ ...redirect, port });
  } catch (thrown) {
    if (redirect.port !== undefined) throw thrown;
    return new RedirectListener(redirect);
  }
}
