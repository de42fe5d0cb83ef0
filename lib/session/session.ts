import { getLogger } from "@logtape/logtape";
import { type ByteBudget, UNBOUNDED } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import type { AskOptions, Caller, NamedDirs, Root } from "../call/call.ts";
import { GivenUp } from "../call/wait.ts";
import { changedLists, type ListChangeFilter } from "../call/list_changes.ts";
import type { Belonging, Identity, Owner } from "../call/owner.ts";
import { describeTrouble, type ServerTrouble } from "../call/server_trouble.ts";
import type { Implementation, LogLevel } from "../wire/mcp.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import { ActiveCalls } from "./active_calls.ts";
import { ClientRoots, type RootsState } from "./client_roots.ts";
import type { SessionJournal } from "./journal.ts";
import { ModernPresence } from "./modern_presence.ts";
import { Ownership, type WorkspaceResolver } from "./ownership.ts";
import { ReplayBuffer, type ReplayLimits } from "./replay_buffer.ts";
import { SubscriptionQuota } from "./subscription_quota.ts";
import type { WindowGroup } from "./window_group.ts";

const log = getLogger(["exai", "session"]);

export interface SessionOptions {
  id: string;
  client?: Implementation;
  cwd?: string;
  namedDirs: NamedDirs;
  /** On whose behalf the client connected. */
  principal: string;
  /** Default: the session has no workspace, and owns what is kept for it alone. */
  findWorkspace?: WorkspaceResolver;
  /** The one mounted server this session sees; undefined for the merged catalog. */
  server?: string;
  /** Ids of the daemons between the client and this one. */
  via?: readonly string[];
  /** The window of an editor that the client belongs to, if it is known. */
  window?: WindowGroup;
  /** The processes of the client's shim and of what started it, if they are known and on this machine. */
  pid?: number;
  parentPid?: number;
  /** Whether the client may resume after a cut connection. */
  isResumable: boolean;
  /** Whether the client of an attached session can get a response now. Default: it can. */
  isReading?: () => boolean;
  replayLimits: ReplayLimits;
  /** Requests that may run and wait at once. Default: unlimited. */
  maxRunning?: number;
  /** Largest message the client takes, in bytes. */
  maxFrameBytes: number;
  /** What the client presents to resume. Default: a random one. */
  resumeToken?: string;
  /** What its data belongs to where it names no directory. Default: the resume token. */
  ownSecret?: string;
  /** Whether an earlier daemon began the session; its client must be initialized again. Default: false. */
  isRecovered?: boolean;
  /** Records the calls for the next daemon. */
  journal?: SessionJournal;
  /** Decides whether the client is notified of changed lists. Default: of each. */
  listChanges?: ListChangeFilter;
}

/** Settings of a window that the daemon does not use. */
export interface UnusedSettings {
  names: string[];
  /** What its user is told. */
  notice: ServerTrouble;
}

/** The MCP peer of a session, which sends messages that belong to no call. */
export interface ClientPeer {
  notify(method: string, params?: Params): void;
  ask(method: string, params: Params, options?: AskOptions): Promise<Result>;
  /** The client's roots differ from those its servers were started with. */
  rootsChanged(): void;
}

/** The record of one attached client. Sessions share nothing with one another. */
export class Session implements Caller {
  readonly id: string;
  readonly namedDirs: NamedDirs;
  readonly principal: string;
  readonly isResumable: boolean;
  /** A secret: never logged. */
  readonly resumeToken: string;
  readonly startedAt = new Date();
  readonly server: string | undefined;
  readonly via: readonly string[] | undefined;
  readonly window: WindowGroup | undefined;
  readonly pid: number | undefined;
  readonly parentPid: number | undefined;
  readonly maxFrameBytes: number;
  readonly calls: ActiveCalls;
  readonly subscriptions = new SubscriptionQuota();
  readonly modern = new ModernPresence();
  /** Messages to the client. */
  readonly output: ReplayBuffer;
  /** The byte budget shared by all sessions. */
  readonly budget: ByteBudget;
  readonly isRecovered: boolean;
  client: Implementation | undefined;
  /** What the user of its window should know: which of the window's settings are not used. */
  notice: ServerTrouble | undefined;
  cwd: string | undefined;
  revision: string | undefined;
  logLevel: LogLevel | undefined;
  /** When the client sent something last, by `performance.now()`. */
  lastUsedMs: number = performance.now();
  callCount = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** MCP messages received, on all connections; only of clients that asked for receipts. */
  receivedCount = 0;
  #capabilities: JsonObject = {};
  /** Undefined for a client that speaks EXAI ops only. */
  #peer: ClientPeer | undefined;
  readonly #journal: SessionJournal | undefined;
  readonly #listChanges: ListChangeFilter | undefined;
  readonly #isReading: () => boolean;
  readonly #roots = new ClientRoots({
    ask: (options) => this.ask("roots/list", {}, options),
    onMissing: (why) => this.#warnOfMissingRoots(why),
    onLate: () => (this.#ownership.invalidate(), this.#peer?.rootsChanged()),
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
    this.window = options.window;
    this.pid = options.pid;
    this.parentPid = options.parentPid;
    this.isResumable = options.isResumable;
    this.maxFrameBytes = options.maxFrameBytes;
    this.calls = new ActiveCalls(options.maxRunning);
    this.budget = options.replayLimits.budget ?? UNBOUNDED;
    this.resumeToken = options.resumeToken ?? crypto.randomUUID();
    this.isRecovered = options.isRecovered ?? false;
    this.#journal = options.journal;
    this.#listChanges = options.listChanges;
    this.#isReading = options.isReading ?? (() => true);
    this.#ownership = new Ownership({
      principal: this.principal,
      secret: options.ownSecret ?? this.resumeToken,
      cwd: this.cwd,
      hasRoots: () => isObject(this.capabilities.roots),
      roots: () => this.roots(),
      findWorkspace: options.findWorkspace,
    });
    this.output = new ReplayBuffer(options.replayLimits, {
      keepsResponses: options.isResumable,
      journal: options.journal,
    });
  }

  /** Aborted when the session has ended. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Whether the client is connected now. */
  get isConnected(): boolean {
    return this.output.isAttached;
  }

  get isAway(): boolean {
    return !this.isConnected || !this.#isReading();
  }

  get belonging(): Belonging {
    return this.#ownership.belonging;
  }

  identity(): Promise<Identity> {
    return this.#ownership.identity();
  }

  readonly privateOwner = (): Promise<Owner> => this.#ownership.privateOwner();

  get capabilities(): JsonObject {
    return this.#capabilities;
  }

  /** The capabilities from `initialize`, without roots where the client's directories are not used. */
  set capabilities(offered: JsonObject) {
    const { roots: _, ...rest } = offered;
    this.#capabilities = this.namedDirs === "none" ? rest : offered;
    this.#ownership.invalidate();
  }

  get peer(): ClientPeer | undefined {
    return this.#peer;
  }

  /** Has `peer` send the messages of {@linkcode notify} and {@linkcode ask}. */
  bindPeer(peer: ClientPeer | undefined): void {
    this.#peer = peer;
  }

  notify(method: string, params?: Params): void {
    // A client that has not initialized speaks EXAI ops and takes no MCP notifications.
    if (this.revision === undefined) return;
    this.ifChanged(this, method, () => this.#peer?.notify(method, params));
  }

  /** Calls `send`, unless `method` is about lists that have not changed for `caller`. */
  ifChanged(caller: Caller, method: string, send: () => void): void {
    const kinds = changedLists(method);
    if (kinds.length === 0 || !this.#listChanges) send();
    else this.#listChanges.changed(caller, kinds, send);
  }

  subscriptionLost(uri: string): void {
    this.subscriptions.remove(uri);
  }

  ask(method: string, params: Params, options?: AskOptions): Promise<Result> {
    if (this.#peer && this.revision !== undefined) return this.#peer.ask(method, params, options);
    return Promise.reject(
      new ExaiError("METHOD_NOT_FOUND", "this client cannot be asked; it does not speak MCP"),
    );
  }

  roots(): Promise<readonly Root[] | undefined> {
    return isObject(this.capabilities.roots) ? this.#roots.get() : Promise.resolve(undefined);
  }

  get areRootsOverdue(): boolean {
    return isObject(this.capabilities.roots) && this.#roots.isSilent;
  }

  /** Undefined for a client without the roots capability. */
  get rootsState(): RootsState | undefined {
    return isObject(this.capabilities.roots) ? this.#roots.state : undefined;
  }

  /** The client's roots have changed: they are requested again when needed. */
  forgetRoots(): void {
    this.#ownership.invalidate();
    this.#roots.invalidate();
  }

  /** Requests overdue roots again; called for each call of the client. */
  retryOverdueRoots(): void {
    this.#roots.retryOverdue();
  }

  #warnOfMissingRoots(why: string): void {
    const instead = this.cwd === undefined ? "without a directory" : `in ${this.cwd}`;
    this.#warn(
      `this window's roots are not known, because ${why}; its servers run ${instead} until it tells them`,
    );
  }

  /** Warns that `count` messages to the client are lost. */
  warnOfUndelivered(count: number): void {
    if (count === 0) return;
    this.#warn(`${count} messages for this window are lost: it did not read, and they had to make room`);
  }

  /** Tells the client its notice; called when the client has initialized. */
  sendNotice(): void {
    if (this.notice !== undefined) this.#warn(describeTrouble(this.notice));
  }

  #warn(data: string): void {
    log.warning("session {id}: {data}", { id: this.id, data });
    this.notify("notifications/message", { level: "warning", logger: "exai", data });
  }

  get lastUsedAt(): Date {
    return new Date(Date.now() - (performance.now() - this.lastUsedMs));
  }

  touch(): void {
    this.lastUsedMs = performance.now();
  }

  /**
   * Ends the session: aborts its calls and drops what is kept for it. The journal keeps its entries, unless the client
   * has said `goodbye`.
   */
  end(why: string, options: { goodbye?: boolean } = {}): void {
    if (this.#ended.signal.aborted) return;
    const reason = new GivenUp("session_ended", why);
    this.calls.cancelAll(reason);
    this.#ownership.end();
    this.#ended.abort(reason);
    this.output.clear();
    this.subscriptions.clear();
    if (options.goodbye) this.#journal?.close();
    else this.#journal?.release();
  }
}
