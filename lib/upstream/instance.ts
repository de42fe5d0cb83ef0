import { getLogger } from "@logtape/logtape";
import { withDeadline } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { loggingErrors } from "../base/handler_errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Call, Caller } from "../call/call.ts";
import type { InitializeResult, LogLevel } from "../wire/mcp.ts";
import type { RequestId, Result, RpcMessage } from "../wire/rpc.ts";
import { Attribution } from "./attribution.ts";
import { EarlyLogs } from "./early_logs.ts";
import { UpstreamExchange } from "./exchange.ts";
import { Faults } from "./faults.ts";
import { HandleOwners } from "./handle_owners.ts";
import { initialize } from "./handshake.ts";
import { InFlightTable } from "./inflight.ts";
import { Inbound } from "./inbound.ts";
import type { InstanceOptions } from "./instance_options.ts";
import { PingedLiveness } from "./liveness.ts";
import { capabilityOf, ListCache } from "./lists.ts";
import { LiveTasks } from "./live_tasks.ts";
import { SharedLogLevel } from "./log_level.ts";
import { OtherCalls } from "./other_calls.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { Suspect } from "./supervisor.ts";
import type { MessageExtra, UpstreamTransport } from "../transport/upstream_transport.ts";

const log = getLogger(["exai", "upstream"]);

/** How long a server may take to agree to a log level. */
const LEVEL_TIMEOUT_MS = 10 * SECOND_MS;

/**
 * One running MCP server, shared by the sessions attached to it. The daemon is its only client: it mints every id and
 * progress token and maps them back, so that no session ever sees what belongs to another.
 */
export class Instance implements AsyncDisposable {
  readonly attached = new Map<string, Caller>();
  readonly lists: ListCache;
  readonly liveness: PingedLiveness;
  readonly tasks = new LiveTasks();
  readonly startedAt = new Date();
  callCount = 0;
  #answers = 0;
  /** Whose a message is that names nothing it belongs to. */
  readonly attribution: Attribution;
  readonly #options: InstanceOptions;
  readonly #transport: UpstreamTransport;
  readonly #faults: Faults;
  readonly #inflight: InFlightTable;
  /** What its results have given the sessions to come back with. */
  readonly handles: HandleOwners;
  readonly #subscriptions = new Subscriptions({
    renew: (uri) => this.#askAbout(uri, "resources/subscribe"),
    onLost: (...lost) => this.#options.onSubscriptionLost?.(...lost),
  });
  readonly #logLevel: SharedLogLevel;
  readonly #otherCalls: OtherCalls;
  readonly #inbound: Inbound;
  readonly #ended = Promise.withResolvers<ExaiError>();
  readonly #exchange: UpstreamExchange;
  readonly #earlyLogs = new EarlyLogs((message) => this.#inbound.receive(message));
  #description: InitializeResult | undefined;

  private constructor(transport: UpstreamTransport, options: InstanceOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#faults = new Faults(options.name);
    this.handles = new HandleOwners(this.tasks, options.lostTasks);
    this.attribution = new Attribution({ settleMs: options.settleMs, tasks: this.tasks });
    this.#inflight = new InFlightTable(this.attribution);
    const { name } = options;
    const parts = { name, transport, faults: this.#faults, inflight: this.#inflight, handles: this.handles };
    this.#exchange = new UpstreamExchange(parts);
    this.lists = new ListCache({
      ask: (method, params) => this.#exchange.ask(method, params, options.startTimeoutMs),
      has: (kind) => capabilityOf(this.#description, kind) !== undefined,
      isAnnounced: (kind) => capabilityOf(this.#description, kind)?.listChanged === true,
    });
    this.liveness = new PingedLiveness({
      ping: (timeoutMs) => this.#exchange.ask("ping", {}, timeoutMs),
      maxSilences: options.maxSilences ?? 2,
      onsilent: (why) => this.#lose(why, { isFault: true }),
    });
    const setLevel = (level: LogLevel) =>
      this.#exchange.ask("logging/setLevel", { level }, Math.min(options.startTimeoutMs, LEVEL_TIMEOUT_MS));
    this.#logLevel = new SharedLogLevel(setLevel, () => this.attached.values());
    const shared = { name, subscriptions: this.#subscriptions, logLevel: this.#logLevel };
    this.#otherCalls = new OtherCalls({ ...shared, exchange: this.#exchange });
    this.#inbound = new Inbound({
      ...shared,
      tasks: this.tasks,
      handles: this.handles,
      roots: options.roots,
      onRootsAsked: options.onRootsAsked ?? (() => {}),
      whenRefused: options.whenRefused,
      told: options.capabilities,
      inflight: this.#inflight,
      attribution: this.attribution,
      attached: this.attached,
      send: (message) => this.#exchange.send(message),
      log: options.log ?? (() => {}),
      onQuestion: options.onQuestion ?? (() => {}),
      onListChanged: (kinds) => {
        for (const kind of kinds) this.lists.forget(kind);
        options.onListChanged(kinds);
      },
    });
  }

  /**
   * Connects and initializes the server behind `transport`.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` naming the server and what went wrong
   */
  static async start(transport: UpstreamTransport, options: InstanceOptions): Promise<Instance> {
    const instance = new Instance(transport, options);
    try {
      await instance.#initialize();
      return instance;
    } catch (thrown) {
      // Not awaited: a server that hangs takes its time to end, and whoever waits for it need not.
      transport.close().catch(() => {});
      throw thrown instanceof ExaiError ? thrown : instance.#faults.of(thrown);
    }
  }

  /** What the server said to `initialize`. */
  get description(): InitializeResult {
    return this.#description!;
  }

  /** Process id, for a server that runs as a child. */
  get pid(): number | undefined {
    return this.#transport.pid;
  }

  get lastUsedAtMs(): number {
    return this.#exchange.lastUsedAtMs;
  }

  /** Requests it has not answered yet. */
  get inflight(): number {
    return this.#inflight.size;
  }

  /** Whether some session is subscribed to a resource of it. */
  get hasSubscriptions(): boolean {
    return this.#subscriptions.size > 0;
  }

  /** Resolves with the reason once the server is gone. */
  get ended(): Promise<ExaiError> {
    return this.#ended.promise;
  }

  /** The one session whose calls were under way when it ended. */
  get suspect(): Suspect | undefined {
    return this.#exchange.suspect;
  }

  /** Whether it takes anything new. */
  get alive(): boolean {
    return this.#exchange.end === undefined && this.#exchange.lost === undefined;
  }

  /** How the server's own stream stands, where there is one. */
  get listening(): string | undefined {
    return this.#transport.listening;
  }

  attach(caller: Caller): void {
    this.attached.set(caller.id, caller);
    this.attribution.met(caller);
    this.#levelMayDiffer();
    // Once all are attached that have waited for the start.
    if (this.#earlyLogs.isHolding) queueMicrotask(() => this.#earlyLogs.release());
  }

  /** Lets go of a session that goes on elsewhere: its subscriptions are taken back, its tasks stay its own. */
  leave(caller: Caller): void {
    // Its id may be another session's by now.
    if (this.attached.get(caller.id) === caller) {
      this.attached.delete(caller.id);
      this.#levelMayDiffer();
    }
    this.#subscriptions.removeAll(caller, (uri) => this.#askAbout(uri, "resources/unsubscribe"));
  }

  /** Lets go of a session that is over: its tasks are forgotten too. */
  detach(caller: Caller): void {
    this.leave(caller);
    this.attribution.forget(caller);
    this.handles.forget(caller);
    this.#inbound.forget(caller);
  }

  /** Subscribes a session again that was subscribed to `uri` on the instance before this one. */
  resubscribe(caller: Caller, uri: string): Promise<Result> {
    return this.#subscriptions.subscribe(uri, caller, {
      ask: () => this.#askAbout(uri, "resources/subscribe"),
    });
  }

  #askAbout(uri: string, method: "resources/subscribe" | "resources/unsubscribe"): Promise<Result> {
    return this.#exchange.ask(method, { uri }, this.#options.startTimeoutMs);
  }

  /**
   * Passes a call on and its result back, untouched but for ids and progress tokens.
   *
   * @throws {ExaiError} the signal's reason (the server is told), `UPSTREAM_UNAVAILABLE` when the server ends meanwhile
   */
  call(call: Call): Promise<Result> {
    this.callCount++;
    // Most are calls of tools: handed on without a promise in between.
    return call.method === "tools/call" ? this.#exchange.forward(call) : this.#otherCalls.run(call);
  }

  /** A session wants log messages from another level on; the server is told the most talkative that any wants. */
  logLevelChanged(): void {
    this.#logLevel.update().catch(() => {});
  }

  /** Resolves when nothing is in flight, now or later. */
  idle(): Promise<void> {
    return this.#inflight.idle();
  }

  /** Passes on a notification of a client that belongs to no call; what it says of a task, where that is its own. */
  notify(caller: Caller, method: string, params: JsonObject): void {
    const isStatus = method === "notifications/tasks/status";
    const shown = isStatus ? this.#inbound.clientTaskStatus(caller, params) : params;
    if (shown) this.#exchange.send({ jsonrpc: "2.0", method, params: shown });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport.close().catch(() => {});
    this.#finish(this.#faults.unavailable("it was stopped"));
  }

  async #initialize(): Promise<void> {
    const { capabilities, clientInfo, startTimeoutMs } = this.#options;
    this.#transport.onmessage = loggingErrors(
      "a message of a server",
      (message: RpcMessage, extra?: MessageExtra) => this.#receive(message, extra?.about),
    );
    this.#transport.onclose = () =>
      this.#finish(this.#faults.unavailable(this.#transport.describeEnd?.() ?? "it closed the connection"));
    this.#transport.onerror = (error) => {
      log.debug("{server}: {message}", { server: this.#options.name, message: error.message });
      this.#options.log?.(`(${error.message})`);
    };
    // That a session runs out is how such servers are; one that is refused from the first is a server's failure.
    this.#transport.onlost = (why) => this.#lose(why, { isFault: this.#answers === 0 });
    this.#transport.onresumed = () => void this.#inbound.catchUp(this.lists);
    // A server behind a URL may take the connection and say nothing.
    const late = this.#faults.unavailable(`it did not connect within ${startTimeoutMs} ms`);
    await withDeadline(this.#transport.start(), { timeoutMs: startTimeoutMs, late });
    const ask = (protocolVersion: string) =>
      this.#exchange.ask("initialize", { protocolVersion, capabilities, clientInfo }, startTimeoutMs);
    const description = await initialize(ask, this.#options.name);
    this.#description = description;
    this.#exchange.tasks = description.capabilities.tasks;
    this.#transport.setProtocolVersion?.(description.protocolVersion);
    this.#exchange.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  }

  /** The server knows this connection no more, or answers nobody on it: another is made for what comes next. */
  #lose(why: string, fault: { isFault: boolean }): void {
    if (this.#exchange.end || this.#exchange.lost) return;
    this.#exchange.lost = this.#faults.unavailable(why);
    this.#options.onLost?.(this.#exchange.lost, fault);
  }

  #receive(message: RpcMessage, about: RequestId | undefined): void {
    this.liveness.heard++;
    if ("method" in message) {
      if (this.#earlyLogs.isHolding && this.#earlyLogs.takes(message)) return;
      return this.#inbound.receive(message, about === undefined ? undefined : this.#inflight.origin(about));
    }
    if (this.#inflight.settle(message)) return void (this.#description && this.#answers++);
    const fault = this.#exchange.unasked(message);
    if (fault !== undefined) this.#options.log?.(fault);
  }

  #finish(reason: ExaiError): void {
    if (this.#exchange.end) return;
    this.#exchange.finish(reason);
    this.#earlyLogs.release();
    this.#inbound.stop(reason);
    this.tasks.clear();
    this.#ended.resolve(reason);
  }

  #levelMayDiffer(): void {
    if (this.#exchange.end || !isObject(this.#description?.capabilities.logging)) return;
    this.#logLevel.attachedChanged();
  }
}
