import { ExaiError } from "../../base/errors.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { Call, Caller } from "../../call/call.ts";
import type { UpstreamTransport } from "../../transport/upstream_transport.ts";
import type { InitializeResult, LogLevel, SubscriptionMethod } from "../../wire/mcp.ts";
import type { Params } from "../../wire/raw_object.ts";
import type { RequestId, Result, RpcMessage } from "../../wire/rpc.ts";
import { capabilityOf, ListCache } from "../lists/list_cache.ts";
import { PendingQuestions } from "../questions/pending_questions.ts";
import type { CrashSuspect } from "../supervisor.ts";
import { HandleOwners } from "../tasks/handle_owners.ts";
import { UnfetchedTasks } from "../tasks/unfetched_tasks.ts";
import { Attribution } from "./attribution.ts";
import { UpstreamExchange } from "./exchange.ts";
import { EarlyLogBuffer, Inbound } from "./inbound.ts";
import { InFlightTable } from "./inflight.ts";
import type { InstanceOptions } from "./instance_options.ts";
import { StartAgainError } from "./link/find_era.ts";
import { type LinkParts, openLink } from "./link/open_link.ts";
import type { OpenListen, ServerLink } from "./link/server_link.ts";
import { PingedLiveness } from "./liveness.ts";
import { openTransport } from "./open_transport.ts";
import { SharedLogLevel } from "./log_level.ts";
import { ServerErrors } from "./server_errors.ts";
import { SharedStateCalls } from "./shared_state_calls.ts";
import { StartRoots } from "./start_roots.ts";
import { Subscriptions } from "./subscriptions.ts";

/** How long a server may take to change its log level. */
const LEVEL_TIMEOUT_MS = 10 * SECOND_MS;

/**
 * One running MCP server, shared by the sessions attached to it. The daemon is its only client: it assigns every id and
 * progress token and maps them back, so that no session sees what belongs to another.
 */
export class Instance implements AsyncDisposable {
  readonly attached = new Map<string, Caller>();
  readonly lists: ListCache;
  readonly liveness: PingedLiveness;
  readonly tasks = new UnfetchedTasks();
  readonly startedAt = new Date();
  readonly sendsAtTurnEnd = true;
  readonly joinsOthers = ({ method }: Call): boolean => this.#link?.joinsOthers?.(method) ?? false;
  callCount = 0;
  #answers = 0;
  readonly attribution: Attribution;
  readonly #options: InstanceOptions;
  readonly #transport: UpstreamTransport;
  readonly #errors: ServerErrors;
  readonly #inflight: InFlightTable;
  /** Tasks and elicitations given out to sessions. */
  readonly handles: HandleOwners;
  readonly #subscriptions = new Subscriptions({
    renew: (uri) => this.#askAbout(uri, "resources/subscribe"),
    onSubscriptionLost: (...lost) => this.#options.onSubscriptionLost?.(...lost),
  });
  readonly #inbound: Inbound;
  readonly #ended = Promise.withResolvers<ExaiError>();
  readonly #exchange: UpstreamExchange;
  readonly #linkParts: LinkParts;
  readonly #earlyLogs = new EarlyLogBuffer((message) => this.#receiver.receive(message, undefined));
  /** Set once it has started. */
  #link: ServerLink | undefined;

  private constructor(transport: UpstreamTransport, options: InstanceOptions) {
    const { name, startTimeoutMs } = options;
    this.#transport = transport;
    this.#options = options;
    const errors = this.#errors = new ServerErrors(name);
    this.handles = new HandleOwners(this.tasks, options.orphaned);
    const pendingQuestions = new PendingQuestions();
    this.attribution = new Attribution({
      settleMs: options.settleMs,
      tasks: this.tasks,
      onCallEnded: (call, isWithdrawn) => pendingQuestions.callEnded(call, isWithdrawn),
    });
    const inflight = this.#inflight = new InFlightTable(this.attribution);
    const { attached, attribution, handles, tasks } = this;
    const exchange = this.#exchange = new UpstreamExchange({ name, transport, errors, inflight, handles });
    this.lists = new ListCache({
      ask: (method, params) => this.#link!.ask(method, params, startTimeoutMs),
      has: (kind) => capabilityOf(this.#link?.description, kind) !== undefined,
      isAnnounced: (kind) => capabilityOf(this.#link?.description, kind)?.listChanged === true,
    });
    this.liveness = new PingedLiveness({
      ping: (timeoutMs) => this.#link!.ping(timeoutMs),
      maxSilences: options.maxSilences ?? 2,
      onSilent: (why) => this.#lose(why, { isFault: true }),
    });
    const setLevel = (level: LogLevel) =>
      exchange.ask("logging/setLevel", { level }, Math.min(startTimeoutMs, LEVEL_TIMEOUT_MS));
    const logLevel = new SharedLogLevel(setLevel, () => this.attached.values());
    const shared = { name, subscriptions: this.#subscriptions, logLevel };
    const sharedStateCalls = new SharedStateCalls({ ...shared, exchange });
    const roots = new StartRoots(options);
    const own = { inflight, handles, pendingQuestions, tasks, attribution, attached, roots };
    const inbound = this.#inbound = new Inbound({
      ...options,
      ...shared,
      ...own,
      send: (message) => exchange.send(message),
      onListChanged: (kinds) => {
        for (const kind of kinds) this.lists.forget(kind);
        options.onListChanged(kinds);
      },
    });
    const parts = { ...shared, options, transport, exchange, inbound, attribution, sharedStateCalls, roots };
    this.#linkParts = {
      ...parts,
      ended: this.ended,
      onGap: () => void inbound.catchUp(this.lists),
      // The next call finds out what it speaks.
      onRevisionRefused: (why) => (options.onEra?.(undefined), this.#lose(why, { isFault: false })),
    };
  }

  /**
   * Connects to the server behind `transport` and finds out how it is spoken with.
   *
   * @throws {StartAgainError} for a server to be started again
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with the server's name and what went wrong
   */
  static async start(transport: UpstreamTransport, options: InstanceOptions): Promise<Instance> {
    const instance = new Instance(transport, options);
    try {
      await instance.#open();
      return instance;
    } catch (thrown) {
      // Not awaited: a hanging server takes long to close.
      transport.close().catch(() => {});
      if (thrown instanceof ExaiError || thrown instanceof StartAgainError) throw thrown;
      throw instance.#errors.of(thrown);
    }
  }

  /** What the server says of itself, whatever era it speaks: as an answer to `initialize`. */
  get description(): InitializeResult {
    return this.#link!.description;
  }

  /** How it is spoken with. */
  get speaks(): Pick<ServerLink, "era" | "revision" | "asksBesideCalls"> {
    return this.#link!;
  }

  /** Id of its child process; undefined for a server behind a URL. */
  get pid(): number | undefined {
    return this.#transport.pid;
  }

  get lastUsedAtMs(): number {
    return this.#exchange.lastUsedAtMs;
  }

  get inflight(): number {
    return this.#inflight.size;
  }

  get hasSubscriptions(): boolean {
    return this.#subscriptions.size > 0;
  }

  /** Resolves with the reason when the server has ended. */
  get ended(): Promise<ExaiError> {
    return this.#ended.promise;
  }

  /** The only session whose calls were in flight when it ended. */
  get suspect(): CrashSuspect | undefined {
    return this.#exchange.suspect;
  }

  get alive(): boolean {
    return this.#exchange.isOpen;
  }

  /** State of the stream for unsolicited messages, for a server behind a URL. */
  get listening(): string | undefined {
    return this.#transport.listening;
  }

  attach(caller: Caller): void {
    this.attached.set(caller.id, caller);
    this.attribution.sessionAttached(caller);
    this.#link?.sessionsChanged();
    // After every session that waited for the start is attached.
    if (this.#earlyLogs.isHolding) queueMicrotask(() => this.#earlyLogs.release());
  }

  /** Detaches a session that has moved to another instance: ends its subscriptions, keeps its tasks. */
  leave(caller: Caller): void {
    // A later session may have the same id.
    if (this.attached.get(caller.id) === caller) {
      this.attached.delete(caller.id);
      this.#link?.sessionsChanged();
    }
    this.#subscriptions.removeAll(caller, (uri) => this.#askAbout(uri, "resources/unsubscribe"));
  }

  /** Opens a stream of notifications; undefined where the server sends them unasked. */
  get openListen(): OpenListen | undefined {
    return this.#link?.openListen?.bind(this.#link);
  }

  /** Detaches a session that has ended, and forgets its tasks. */
  detach(caller: Caller): void {
    this.leave(caller);
    this.attribution.sessionEnded(caller);
    this.handles.forget(caller);
    this.#inbound.forget(caller);
  }

  /** Subscribes a session to `uri`, on behalf of the daemon: it was subscribed on an earlier instance. */
  resubscribe(caller: Caller, uri: string): Promise<Result> {
    const ask = () => this.#askAbout(uri, "resources/subscribe");
    return this.#subscriptions.subscribe(uri, caller, { ask });
  }

  #askAbout(uri: string, method: SubscriptionMethod): Promise<Result> {
    return this.#link!.ask(method, { uri }, this.#options.startTimeoutMs);
  }

  /**
   * Forwards a call and its result, unchanged except for ids and progress tokens.
   *
   * @throws {ExaiError} the signal's reason (the request is cancelled), `UPSTREAM_UNAVAILABLE` when the server ends
   * meanwhile
   */
  call(call: Call): Promise<Result> {
    this.callCount++;
    return this.#link!.call(call);
  }

  /** A session wants another log level: the server gets the most verbose level any session wants. */
  logLevelChanged(): void {
    this.#link?.sessionsChanged({ level: true });
  }

  /** Resolves when nothing is in flight, now or later. */
  readonly idle = (): Promise<void> => this.#inflight.idle();

  /** Forwards a notification of a client that belongs to no call. */
  notify(caller: Caller, method: string, params: Params): void {
    this.#link?.notify(caller, method, params);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Closing takes seconds where the server does not heed it.
    this.#exchange.lose(this.#errors.stopped());
    await this.#transport.close().catch(() => {});
    this.#finish(this.#errors.stopped());
  }

  async #open(): Promise<void> {
    await openTransport(this.#transport, {
      ...this.#options,
      errors: this.#errors,
      onMessage: (message, about) => this.#receive(message, about),
      onEnd: (why) => this.#finish(why),
      // A session may expire; one that never answered is a failure of the server.
      onLost: (why) => this.#lose(why, { isFault: this.#answers === 0 }),
      onResumed: this.#linkParts.onGap,
    });
    this.#link = await openLink(this.#linkParts);
  }

  get #receiver(): Pick<ServerLink, "receive"> {
    return this.#link ?? this.#inbound;
  }

  /** The server has lost our session, or does not answer: the next call makes another connection. */
  #lose(why: string, fault: { isFault: boolean }): void {
    if (!this.#exchange.isOpen) return;
    const error = this.#errors.unavailable(why);
    this.#exchange.lose(error);
    this.#options.onConnectionLost?.(error, fault);
  }

  #receive(message: RpcMessage, about: RequestId | undefined): void {
    this.liveness.heard++;
    if ("method" in message) {
      if (this.#earlyLogs.isHolding && this.#earlyLogs.hold(message)) return;
      return this.#receiver.receive(message, about === undefined ? undefined : this.#inflight.origin(about));
    }
    if (this.#inflight.settle(message)) return void (this.#link && this.#answers++);
    if (this.#link?.settle?.(message)) return;
    const fault = this.#exchange.unmatched(message);
    if (fault !== undefined) this.#options.log?.(fault);
  }

  #finish(reason: ExaiError): void {
    if (this.#exchange.hasEnded) return;
    this.#exchange.finish(reason);
    this.#earlyLogs.release();
    this.#inbound.stop(reason);
    this.#link?.stop?.(reason);
    this.tasks.clear();
    this.#ended.resolve(reason);
  }
}
