import { getLogger } from "@logtape/logtape";
import { withDeadline } from "../../base/abort.ts";
import { ExaiError } from "../../base/errors.ts";
import { loggingErrors } from "../../base/handler_errors.ts";
import { isObject } from "../../base/json.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { Call, Caller } from "../../call/call.ts";
import type { MessageExtra, UpstreamTransport } from "../../transport/upstream_transport.ts";
import type { InitializeResult, LogLevel } from "../../wire/mcp.ts";
import type { Params } from "../../wire/raw_object.ts";
import type { RequestId, Result, RpcMessage } from "../../wire/rpc.ts";
import { notificationOf } from "../../wire/text_request.ts";
import { capabilityOf, ListCache } from "../lists/list_cache.ts";
import { PendingQuestions } from "../questions/pending_questions.ts";
import type { CrashSuspect } from "../supervisor.ts";
import { HandleOwners } from "../tasks/handle_owners.ts";
import { UnfetchedTasks } from "../tasks/unfetched_tasks.ts";
import { Attribution } from "./attribution.ts";
import { UpstreamExchange } from "./exchange.ts";
import { initialize } from "./initialize.ts";
import { EarlyLogBuffer, Inbound } from "./inbound.ts";
import { InFlightTable } from "./inflight.ts";
import type { InstanceOptions } from "./instance_options.ts";
import { PingedLiveness } from "./liveness.ts";
import { SharedLogLevel } from "./log_level.ts";
import { ServerErrors } from "./server_errors.ts";
import { SharedStateCalls } from "./shared_state_calls.ts";
import { StartRoots } from "./start_roots.ts";
import { Subscriptions } from "./subscriptions.ts";

const log = getLogger(["exai", "upstream"]);

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
  readonly #logLevel: SharedLogLevel;
  readonly #sharedStateCalls: SharedStateCalls;
  readonly #inbound: Inbound;
  readonly #ended = Promise.withResolvers<ExaiError>();
  readonly #exchange: UpstreamExchange;
  readonly #roots: StartRoots;
  readonly #earlyLogs = new EarlyLogBuffer((message) => this.#inbound.receive(message));
  #description: InitializeResult | undefined;

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
      ask: (method, params) => exchange.ask(method, params, startTimeoutMs),
      has: (kind) => capabilityOf(this.#description, kind) !== undefined,
      isAnnounced: (kind) => capabilityOf(this.#description, kind)?.listChanged === true,
    });
    this.liveness = new PingedLiveness({
      ping: (timeoutMs) => exchange.ask("ping", {}, timeoutMs),
      maxSilences: options.maxSilences ?? 2,
      onSilent: (why) => this.#lose(why, { isFault: true }),
    });
    const setLevel = (level: LogLevel) =>
      exchange.ask("logging/setLevel", { level }, Math.min(startTimeoutMs, LEVEL_TIMEOUT_MS));
    this.#logLevel = new SharedLogLevel(setLevel, () => this.attached.values());
    const shared = { name, subscriptions: this.#subscriptions, logLevel: this.#logLevel };
    this.#sharedStateCalls = new SharedStateCalls({ ...shared, exchange });
    const roots = this.#roots = new StartRoots(options);
    const own = { inflight, handles, pendingQuestions, tasks, attribution, attached, roots };
    this.#inbound = new Inbound({
      ...options,
      ...shared,
      ...own,
      send: (message) => exchange.send(message),
      onListChanged: (kinds) => {
        for (const kind of kinds) this.lists.forget(kind);
        options.onListChanged(kinds);
      },
    });
  }

  /**
   * Connects to the server behind `transport` and initializes it.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with the server's name and what went wrong
   */
  static async start(transport: UpstreamTransport, options: InstanceOptions): Promise<Instance> {
    const instance = new Instance(transport, options);
    try {
      await instance.#initialize();
      return instance;
    } catch (thrown) {
      // Not awaited: a hanging server takes long to close.
      transport.close().catch(() => {});
      throw thrown instanceof ExaiError ? thrown : instance.#errors.of(thrown);
    }
  }

  /** The server's answer to `initialize`. */
  get description(): InitializeResult {
    return this.#description!;
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
    this.#attachedChanged();
    // After every session that waited for the start is attached.
    if (this.#earlyLogs.isHolding) queueMicrotask(() => this.#earlyLogs.release());
  }

  /** Detaches a session that has moved to another instance: ends its subscriptions, keeps its tasks. */
  leave(caller: Caller): void {
    // A later session may have the same id.
    if (this.attached.get(caller.id) === caller) {
      this.attached.delete(caller.id);
      this.#attachedChanged();
    }
    this.#subscriptions.removeAll(caller, (uri) => this.#askAbout(uri, "resources/unsubscribe"));
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
    return this.#subscriptions.subscribe(uri, caller, {
      ask: () => this.#askAbout(uri, "resources/subscribe"),
    });
  }

  #askAbout(uri: string, method: "resources/subscribe" | "resources/unsubscribe"): Promise<Result> {
    return this.#exchange.ask(method, { uri }, this.#options.startTimeoutMs);
  }

  /**
   * Forwards a call and its result, unchanged except for ids and progress tokens.
   *
   * @throws {ExaiError} the signal's reason (the request is cancelled), `UPSTREAM_UNAVAILABLE` when the server ends
   * meanwhile
   */
  call(call: Call): Promise<Result> {
    this.callCount++;
    // The common case, without a promise in between.
    return call.method === "tools/call" ? this.#exchange.forward(call) : this.#sharedStateCalls.run(call);
  }

  /** A session wants another log level: the server gets the most verbose level any session wants. */
  logLevelChanged(): void {
    this.#logLevel.update().catch(() => {});
  }

  /** Resolves when nothing is in flight, now or later. */
  readonly idle = (): Promise<void> => this.#inflight.idle();

  /** Forwards a notification of a client that belongs to no call; a task status only for a task of this server. */
  notify(caller: Caller, method: string, params: Params): void {
    const isStatus = method === "notifications/tasks/status";
    const shown = isStatus ? this.#inbound.clientTaskStatus(caller, params) : params;
    if (shown) this.#exchange.send(notificationOf(method, shown));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport.close().catch(() => {});
    this.#finish(this.#errors.unavailable("it was stopped"));
  }

  async #initialize(): Promise<void> {
    const { capabilities, clientInfo, startTimeoutMs } = this.#options;
    this.#transport.onmessage = loggingErrors(
      "a message of a server",
      (message: RpcMessage, extra?: MessageExtra) => this.#receive(message, extra?.about),
    );
    this.#transport.onclose = () =>
      this.#finish(this.#errors.unavailable(this.#transport.describeEnd?.() ?? "it closed the connection"));
    this.#transport.onerror = (error) => {
      log.debug("{server}: {message}", { server: this.#options.name, message: error.message });
      this.#options.log?.(`(${error.message})`);
    };
    // A session may expire; one that never answered is a failure of the server.
    this.#transport.onlost = (why) => this.#lose(why, { isFault: this.#answers === 0 });
    this.#transport.onresumed = () => void this.#inbound.catchUp(this.lists);
    // A server behind a URL may accept the connection and send nothing.
    const late = this.#errors.unavailable(`it did not connect within ${startTimeoutMs} ms`);
    await withDeadline(this.#transport.start(), { timeoutMs: startTimeoutMs, late });
    const ask = (protocolVersion: string) =>
      this.#exchange.ask("initialize", { protocolVersion, capabilities, clientInfo }, startTimeoutMs);
    const description = await initialize(ask, this.#options.name);
    this.#description = description;
    this.#exchange.tasks = description.capabilities.tasks;
    this.#transport.setProtocolVersion?.(description.protocolVersion);
    this.#exchange.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    await this.#roots.settle((timeoutMs) => this.#exchange.ask("ping", {}, timeoutMs));
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
      return this.#inbound.receive(message, about === undefined ? undefined : this.#inflight.origin(about));
    }
    if (this.#inflight.settle(message)) return void (this.#description && this.#answers++);
    const fault = this.#exchange.unmatched(message);
    if (fault !== undefined) this.#options.log?.(fault);
  }

  #finish(reason: ExaiError): void {
    if (this.#exchange.hasEnded) return;
    this.#exchange.finish(reason);
    this.#earlyLogs.release();
    this.#inbound.stop(reason);
    this.tasks.clear();
    this.#ended.resolve(reason);
  }

  #attachedChanged(): void {
    if (this.#exchange.hasEnded || !isObject(this.#description?.capabilities.logging)) return;
    this.#logLevel.attachedChanged();
  }
}
