import { ExaiError, messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Call, Caller } from "../call/call.ts";
import { isSamePrincipal, OWN_USER, principalOf } from "../call/owner.ts";
import type { ListKind, RefreshOptions, Server } from "../call/server.ts";
import type { PendingLogin } from "../auth/pending_login.ts";
import { CODES } from "../wire/codes.ts";
import { type InitializeResult, LATEST_REVISION, textResult } from "../wire/mcp.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import { listKindOf, listResult } from "./lists/list_view.ts";
import { askToSignIn } from "./sign_in/ask_to_sign_in.ts";
import { LoginTool } from "./sign_in/login_tool.ts";
import { loginCommand } from "../config/account_choice.ts";
import { howAfterDeclined, howToSignIn, type SignInTarget, signInTo } from "./sign_in/login_texts.ts";
import { isLoginRequired } from "./supervisor.ts";

/** How the windows of one server sign in to it, each in the name of its account. */
export interface ServerLogins {
  /** Whether an account of the server is known to need a login; only then is it looked which a window has. */
  readonly areNeeded: boolean;
  /** Whether the account of `caller` needs a login before anything can be done. */
  isNeededBy(caller: Caller): Promise<boolean>;
  /** Whether somebody has signed in to the account of `caller`, by what is on disk. */
  isSignedIn(caller: Caller): Promise<boolean>;
  /** The name of the account of `caller`; undefined: the server has one only. */
  accountOf(caller: Caller): Promise<string | undefined>;
  /**
   * The pending login of the account of `caller`; begins one if there is none.
   *
   * @throws {ExaiError} what is wrong with the authorization server
   */
  begin(caller: Caller): Promise<PendingLogin>;
}

/** How often one call has its person sign in: a server may ask for a wider scope each time. */
const MAX_LOGINS = 3;

/** Methods that may have a person sign in: the others are asked by programs, unseen. */
const WORTH_A_LOGIN: readonly string[] = ["tools/call", "prompts/get", "resources/read"];

/** What becomes of a call that needs a login. */
type SignInEnd = { is: "signed in" } | { is: "told how" | "failed"; text: string };

/**
 * A server behind a URL for windows that may have to sign in first. Until they have, they are shown one tool in place of
 * its lists; a call that needs a login, or a wider scope, has the person at its window sign in and goes on then, or says
 * what to do.
 */
export class LoginServer implements Server {
  readonly name: string;
  readonly admitsItself: boolean | undefined;
  readonly standIn: string;
  readonly #inner: Server;
  readonly #logins: ServerLogins;
  readonly #tool: LoginTool;
  /** Windows that were told the page of a login, and are told when it is done. */
  readonly #told = new WeakMap<PendingLogin, Set<Caller>>();
  /** Windows that were told that the server may have everything, as it was not known. */
  readonly #unsure = new WeakSet<Caller>();

  constructor(inner: Server, logins: ServerLogins) {
    this.name = inner.name;
    this.admitsItself = inner.admitsItself;
    this.#inner = inner;
    this.#logins = logins;
    this.#tool = new LoginTool(inner.name);
    this.standIn = this.#tool.name;
  }

  readonly target = async (call: Call): Promise<Result> => {
    if (this.#tool.isCalledBy(call) && !await this.#hasToolOfItsName(call.caller)) {
      return await this.#signInAsked(call);
    }
    const kind = listKindOf(call.method);
    if (kind && await this.#needsLogin(call.caller)) return listResult(kind, this.#tool.list(kind));
    try {
      // Also where a login is needed: somebody may have signed in by another program meanwhile.
      const result = await this.#inner.target(call);
      return kind && this.#isMissing(result, call.caller) ? listResult(kind, []) : result;
    } catch (thrown) {
      if (!isLoginRequired(thrown)) throw thrown;
      return kind ? listResult(kind, this.#tool.list(kind)) : await this.#withLogin(call, thrown);
    }
  };

  async list(kind: ListKind, call: Call): Promise<readonly JsonObject[]> {
    try {
      if (!await this.#needsLogin(call.caller)) return await this.#inner.list(kind, call);
    } catch (thrown) {
      if (!isLoginRequired(thrown)) throw thrown;
    }
    return this.#tool.list(kind);
  }

  async describe(...asked: Parameters<Server["describe"]>): Promise<InitializeResult> {
    const [caller] = asked;
    try {
      return await this.#inner.describe(...asked);
    } catch (thrown) {
      if (!isLoginRequired(thrown)) throw thrown;
      this.#unsure.add(caller);
      return descriptionOf(this.name);
    }
  }

  async refresh(kind: ListKind, call: Call, options: RefreshOptions): Promise<boolean> {
    if (await this.#needsLogin(call.caller)) return false;
    return await this.#inner.refresh?.(kind, call, options) ?? false;
  }

  /** The tool that signs in keeps its name, whatever the configuration gives to others. */
  get toolNaming(): Server["toolNaming"] {
    const naming = this.#inner.toolNaming;
    if (!this.#logins.areNeeded) return naming;
    const { rename = {}, prefix = "", isPrefixed } = naming ?? {};
    const { name } = this.#tool;
    return { prefix, isPrefixed, rename: { ...rename, [name]: name } };
  }

  withheld(caller: Caller): readonly JsonObject[] | undefined {
    return this.#logins.areNeeded ? this.#inner.known?.(caller).tools ?? [] : undefined;
  }

  get startTimeoutMs() {
    return this.#inner.startTimeoutMs;
  }

  get callTimeoutMs() {
    return this.#inner.callTimeoutMs;
  }

  get detachAfterMs() {
    return this.#inner.detachAfterMs;
  }

  get maxInflight() {
    return this.#inner.maxInflight;
  }

  readonly knows = (kind: ListKind, caller: Caller) => this.#inner.knows?.(kind, caller) ?? false;
  readonly freshness = (kind: ListKind, caller: Caller) => this.#inner.freshness?.(kind, caller);
  readonly prepare = async (caller: Caller) => await this.#inner.prepare?.(caller);
  readonly known = (caller: Caller) =>
    this.#inner.known?.(caller) ?? { instructions: undefined, tools: undefined };
  readonly waitOf = (caller: Caller) => this.#inner.waitOf?.(caller);

  logLevelChanged(caller: Caller): void {
    this.#inner.logLevelChanged?.(caller);
  }

  notify(caller: Caller, method: string, params: Params): void {
    this.#inner.notify?.(caller, method, params);
  }

  detach(caller: Caller): void {
    this.#inner.detach?.(caller);
  }

  async #needsLogin(caller: Caller): Promise<boolean> {
    return this.#logins.areNeeded && await this.#logins.isNeededBy(caller);
  }

  /** Whether the server, once it is signed in to, has a tool by the name of the one that signs in. */
  async #hasToolOfItsName(caller: Caller): Promise<boolean> {
    const { name } = this.#tool;
    const isOwn = this.#inner.known?.(caller).tools?.some((tool) => tool.name === name) === true;
    return isOwn && !await this.#needsLogin(caller);
  }

  /** Whether the server has not got a list that the window was told it may have. */
  #isMissing({ error }: Result, caller: Caller): boolean {
    return error?.code === CODES.METHOD_NOT_FOUND.rpc && this.#unsure.has(caller);
  }

  async #targetOf(caller: Caller): Promise<SignInTarget> {
    return { server: this.name, account: await this.#logins.accountOf(caller) };
  }

  /** Has the person sign in, and makes the call again: the server refused it, so it has not run. */
  async #withLogin(call: Call, refusal: ExaiError): Promise<Result> {
    if (!WORTH_A_LOGIN.includes(call.method)) throw refusal;
    for (let logins = 1;; logins++) {
      const end = await this.#signIn(call);
      if (end.is !== "signed in") return this.#refused(call, refusal, end.text);
      try {
        return await this.#inner.target(call);
      } catch (thrown) {
        if (!isLoginRequired(thrown) || logins === MAX_LOGINS) throw thrown;
        refusal = thrown;
      }
    }
  }

  /** A model is told by the result of its call, which clients show it; others by an error. */
  #refused(call: Call, { message, details }: ExaiError, text: string): Result {
    if (call.method === "tools/call") return { result: textResult(`${message}\n${text}`, { isError: true }) };
    throw new ExaiError("LOGIN_REQUIRED", `${message}. ${text}`, { details });
  }

  async #signIn(call: Call): Promise<SignInEnd> {
    const { caller } = call;
    const target = await this.#targetOf(caller);
    if (!isSamePrincipal(principalOf(caller), OWN_USER)) {
      // Another user's tokens would be those of all windows of the daemon's own.
      return { is: "failed", text: `The user the daemon runs as has to sign in: ${loginCommand(target)}` };
    }
    try {
      const login = await this.#logins.begin(caller);
      const asked = await askToSignIn(
        call,
        login,
        `Please ${signInTo(target)}, so that its tools can be used.`,
      );
      if (asked === "signed in") return { is: "signed in" };
      this.#tellWhenDone(login, caller);
      if (asked === "declined") return { is: "failed", text: howAfterDeclined(target) };
      return { is: "told how", text: howToSignIn(target, login) };
    } catch (thrown) {
      if (call.signal.aborted) throw thrown;
      return { is: "failed", text: `Nobody has signed in: ${messageOf(thrown)}` };
    }
  }

  /** Answers a call of the tool that signs in. */
  async #signInAsked(call: Call): Promise<Result> {
    const target = await this.#targetOf(call.caller);
    const done = `Done: ${signInTo(target)} has worked, and its tools are listed now.`;
    // A window that has not listed its tools anew, perhaps since before the daemon was started.
    const isDone = !await this.#needsLogin(call.caller) && await this.#logins.isSignedIn(call.caller);
    if (isDone) return { result: textResult(done) };
    const end = await this.#signIn(call);
    if (end.is === "signed in") return { result: textResult(done) };
    return { result: textResult(end.text, end.is === "failed" ? { isError: true } : {}) };
  }

  #tellWhenDone(login: PendingLogin, caller: Caller): void {
    const told = this.#told.get(login) ?? new Set();
    this.#told.set(login, told);
    if (told.has(caller)) return;
    told.add(caller);
    const tell = (level: string, data: string) =>
      caller.notify("notifications/message", { level, logger: "exai", data });
    login.done.then(
      () => tell("notice", `signed in to "${this.name}": call again`),
      ({ message }) => tell("warning", `not signed in to "${this.name}": ${message}`),
    );
  }
}

/** What a server that has not been reached yet says of itself to a window of its own: all that it may have later. */
function descriptionOf(server: string): InitializeResult {
  const list = { listChanged: true };
  return {
    protocolVersion: LATEST_REVISION,
    capabilities: { tools: list, prompts: list, resources: list },
    serverInfo: { name: server, version: "" },
  };
}
