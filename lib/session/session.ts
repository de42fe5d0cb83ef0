import { getLogger } from "@logtape/logtape";
import { type ByteBudget, UNBOUNDED } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import type { AskOptions, Caller, NamedDirs, Root } from "../call/call.ts";
import type { Belonging, Identity } from "../call/owner.ts";
import type { Implementation, LogLevel } from "../wire/mcp.ts";
import { ActiveCalls } from "./active_calls.ts";
import { ClientRoots, type RootsState } from "./client_roots.ts";
import type { Result } from "../wire/rpc.ts";
import type { SessionJournal } from "./journal.ts";
import { Ownership, type WorkspaceResolver } from "./ownership.ts";
import { SubscriptionQuota } from "./subscription_quota.ts";
import { ReplayBuffer, type ReplayLimits } from "./replay_buffer.ts";

const log = getLogger(["exai", "session"]);

export interface SessionOptions {
  id: string;
  client?: Implementation;
  cwd?: string;
  namedDirs: NamedDirs;
  /** On whose behalf it was begun. */
  principal: string;
  /** Left out: it has no workspace, and what is kept for it is its own alone. */
  findWorkspace?: WorkspaceResolver;
  /** The one mounted server this session sees; undefined for the merged catalog. */
  server?: string;
  /** The daemons by which it comes. */
  via?: readonly string[];
  /** Whether its client may come back after a cut connection. */
  resumable: boolean;
  replayLimits: ReplayLimits;
  /** Requests that may run and wait at once; any number unless said otherwise. */
  maxRunning?: number;
  /** Largest message the client takes, in bytes. */
  maxFrameBytes: number;
  /** What its client shows to take it over, if it was made by an earlier daemon. */
  resumeToken?: string;
}

/** How a session speaks to its client outside of any call. */
export interface ClientPeer {
  notify(method: string, params?: JsonObject): void;
  ask(method: string, params: JsonObject, options?: AskOptions): Promise<Result>;
  /** The client's roots are others than those its servers were started with. */
  rootsChanged(): void;
}

/** Our record of one attached client. Nothing in it is shared with another session. */
export class Session implements Caller {
  readonly id: string;
  readonly namedDirs: NamedDirs;
  readonly principal: string;
  readonly resumable: boolean;
  /** What a client must show to take this session over; never logged. */
  readonly resumeToken: string;
  readonly startedAt = new Date();
  readonly server: string | undefined;
  readonly via: readonly string[] | undefined;
  readonly maxFrameBytes: number;
  readonly calls: ActiveCalls;
  /** Resources its client is subscribed to. */
  readonly subscriptions = new SubscriptionQuota();
  readonly output: ReplayBuffer;
  /** The bound on what is held for all sessions together. */
  readonly budget: ByteBudget;
  client: Implementation | undefined;
  cwd: string | undefined;
  revision: string | undefined;
  logLevel: LogLevel | undefined;
  /** When its client last said something, by a clock that never jumps, in milliseconds. */
  lastUsedMs: number = performance.now();
  callCount = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** MCP messages of the client that have arrived, on whatever connection; of clients that want to be told. */
  receivedCount = 0;
  /** Set by the peer that speaks MCP with the client; a client of EXAI ops only has none. */
  peer: ClientPeer | undefined;
  /** Whether it was begun with an earlier daemon; its client must be introduced before it is as it was. */
  readonly isRecovered: boolean;
  #capabilities: JsonObject = {};
  #journal: SessionJournal | undefined;
  readonly #roots = new ClientRoots({
    ask: (options) => this.ask("roots/list", {}, options),
    onMissing: (why) => this.#warnOfRoots(why),
    onLate: () => {
      this.#ownership.invalidate();
      this.peer?.rootsChanged();
    },
  });
  readonly #ownership: Ownership;
  readonly #ended = new AbortController();

  constructor(options: SessionOptions) {
    this.id = options.id;
    this.client = options.client;
    this.cwd = options.namedDirs === "none" ? undefined : options.cwd;
    this.namedDirs = options.namedDirs;
    this.principal = options.principal;
    this.server = options.server;
    this.via = options.via;
    this.resumable = options.resumable;
    this.maxFrameBytes = options.maxFrameBytes;
    this.calls = new ActiveCalls(options.maxRunning);
    this.budget = options.replayLimits.budget ?? UNBOUNDED;
    this.resumeToken = options.resumeToken ?? crypto.randomUUID();
    this.isRecovered = options.resumeToken !== undefined;
    this.#ownership = new Ownership({
      principal: this.principal,
      secret: this.resumeToken,
      cwd: this.cwd,
      hasRoots: () => isObject(this.capabilities.roots),
      roots: () => this.roots(),
      findWorkspace: options.findWorkspace,
    });
    this.output = new ReplayBuffer(options.replayLimits);
    this.output.keepAnswers = options.resumable;
  }

  /** Aborted when the session is over for good. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Whether a client is attached now. */
  get connected(): boolean {
    return this.output.isAttached;
  }

  get belonging(): Belonging {
    return this.#ownership.belonging;
  }

  identity(): Promise<Identity> {
    return this.#ownership.identity();
  }

  get capabilities(): JsonObject {
    return this.#capabilities;
  }

  /** What the client has offered in `initialize`; one whose directories are good for nothing is not asked for them. */
  set capabilities(offered: JsonObject) {
    const { roots: _, ...rest } = offered;
    this.#capabilities = this.namedDirs === "none" ? rest : offered;
    this.#ownership.invalidate();
  }

  notify(method: string, params?: JsonObject): void {
    // A client that has not initialized speaks EXAI ops, and gets nothing it did not ask for.
    if (this.revision !== undefined) this.peer?.notify(method, params);
  }

  subscriptionLost(uri: string): void {
    this.subscriptions.remove(uri);
  }

  ask(method: string, params: JsonObject, options?: AskOptions): Promise<Result> {
    if (this.peer && this.revision !== undefined) return this.peer.ask(method, params, options);
    return Promise.reject(
      new ExaiError("METHOD_NOT_FOUND", "this client cannot be asked; it does not speak MCP"),
    );
  }

  roots(): Promise<readonly Root[] | undefined> {
    return isObject(this.capabilities.roots) ? this.#roots.get() : Promise.resolve(undefined);
  }

  /** What is known of the client's roots; undefined for a client that has none to tell. */
  get rootsState(): RootsState | undefined {
    return isObject(this.capabilities.roots) ? this.#roots.state : undefined;
  }

  /** The client says that its roots have changed: they are asked for anew. */
  forgetRoots(): void {
    this.#ownership.invalidate();
    this.#roots.invalidate();
  }

  /** A call of the client's comes: roots that are overdue are asked for again. */
  retryOverdueRoots(): void {
    this.#roots.retryOverdue();
  }

  #warnOfRoots(why: string): void {
    const instead = this.cwd === undefined ? "without a directory" : `in ${this.cwd}`;
    const data = `this window's roots are not known, because ${why}; ` +
      `its servers run ${instead} until it tells them`;
    log.warning("session {id}: {data}", { id: this.id, data });
    this.notify("notifications/message", { level: "warning", logger: "exai", data });
  }

  /** Tells window and log that `count` messages to it are lost. */
  warnOfUndelivered(count: number): void {
    if (count === 0) return;
    const data = `${count} messages for this window are lost: it did not read, and they had to make room`;
    log.warning("session {id}: {data}", { id: this.id, data });
    this.notify("notifications/message", { level: "warning", logger: "exai", data });
  }

  get lastUsedAt(): Date {
    return new Date(Date.now() - (performance.now() - this.lastUsedMs));
  }

  touch(): void {
    this.lastUsedMs = performance.now();
  }

  /** Has its calls kept in `journal`. */
  set journal(journal: SessionJournal) {
    this.#journal = journal;
    this.output.journal = journal;
  }

  /**
   * Ends the session: its calls are aborted and nothing is kept for it, but in the journal, unless its client has said
   * `goodbye`.
   */
  end(why: string, options: { goodbye?: boolean } = {}): void {
    if (this.#ended.signal.aborted) return;
    const reason = new ExaiError("CANCELLED", why);
    this.calls.cancelAll(reason);
    this.#ownership.end();
    this.#ended.abort(reason);
    this.output.clear();
    this.subscriptions.clear();
    if (options.goodbye) this.#journal?.close();
    else this.#journal?.release();
  }
}
