import { getLogger } from "@logtape/logtape";
import { abortError } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { contained } from "../base/handling_faults.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { redact } from "../base/log.ts";
import { overCapacityFor } from "../base/machine_want.ts";
import { steadyNow } from "../base/steady.ts";
import type { Call, Caller, Root } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
import type { Transport } from "../transport/transport.ts";
import {
  type Implementation,
  type InitializeResult,
  LATEST_REVISION,
  REVISIONS,
  uriOf,
} from "../wire/mcp.ts";
import type { RequestId, Result, RpcMessage } from "../wire/rpc.ts";
import { InFlightTable } from "./inflight.ts";
import { Inbound } from "./inbound.ts";
import { ListCache } from "./lists.ts";
import { LiveTasks } from "./live_tasks.ts";
import { SharedLogLevel } from "./log_level.ts";
import { createdTask, Owners, requiredElicitations, TaskProgress } from "./owners.ts";
import { Subscriptions } from "./subscriptions.ts";

const log = getLogger(["exai", "upstream"]);

export interface InstanceOptions {
  /** The server's name, for messages. */
  name: string;
  clientInfo: Implementation;
  /** Client capabilities the upstream is told of: those of the sessions that share it. */
  capabilities: JsonObject;
  /** The roots the sessions share; undefined when each has its own. */
  roots: readonly Root[] | undefined;
  startTimeoutMs: number;
  /** Called when the upstream says that some of its lists have changed. */
  onListChanged(kinds: readonly ListKind[]): void;
}

/** The transport of an upstream, with what only some transports have. */
export interface UpstreamTransport extends Transport {
  /** Process id of a server that runs as a child. */
  readonly pid?: number;
  /** Why it has ended, in words, where that is known. */
  describeEnd?(): string;
  setProtocolVersion?(revision: string): void;
}

/**
 * One running MCP server, shared by the sessions attached to it. The daemon is its only client: it mints every id and
 * progress token and maps them back, so that no session ever sees what belongs to another.
 */
export class Instance implements AsyncDisposable {
  readonly attached = new Map<string, Caller>();
  readonly lists: ListCache;
  readonly tasks = new LiveTasks();
  readonly startedAt = new Date();
  lastUsedAtMs = steadyNow();
  callCount = 0;
  readonly #options: InstanceOptions;
  readonly #transport: UpstreamTransport;
  readonly #inflight = new InFlightTable();
  readonly #owners = new Owners();
  readonly #progress = new TaskProgress();
  readonly #subscriptions = new Subscriptions();
  readonly #logLevel: SharedLogLevel;
  readonly #inbound: Inbound;
  readonly #ended = Promise.withResolvers<ExaiError>();
  #description: InitializeResult | undefined;
  #end: ExaiError | undefined;
  #nextId = 1;

  private constructor(transport: UpstreamTransport, options: InstanceOptions) {
    this.#transport = transport;
    this.#options = options;
    const ask = (method: string, params: JsonObject) => this.#ask(method, params, options.startTimeoutMs);
    this.lists = new ListCache({
      ask: (method, params) => ask(method, params),
      has: (kind) => this.#capabilityOf(kind) !== undefined,
      isAnnounced: (kind) => this.#capabilityOf(kind)?.listChanged === true,
    });
    this.#logLevel = new SharedLogLevel((level) => ask("logging/setLevel", { level }));
    this.#inbound = new Inbound({
      name: options.name,
      roots: () => options.roots,
      inflight: this.#inflight,
      attached: this.attached,
      owners: this.#owners,
      progress: this.#progress,
      subscriptions: this.#subscriptions,
      send: (message) => this.#send(message),
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
      throw thrown instanceof ExaiError ? thrown : instance.#failureOf(thrown);
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

  get alive(): boolean {
    return this.#end === undefined;
  }

  attach(caller: Caller): void {
    this.attached.set(caller.id, caller);
    this.#levelMayDiffer();
  }

  /** Lets go of a session that goes on elsewhere: its subscriptions are taken back, its tasks stay its own. */
  leave(caller: Caller): void {
    if (!this.attached.delete(caller.id)) return;
    this.#levelMayDiffer();
    for (const uri of this.#subscriptions.removeAll(caller)) {
      this.#ask("resources/unsubscribe", { uri }, this.#options.startTimeoutMs).catch(() => {});
    }
  }

  /** Lets go of a session that is over: its tasks are forgotten too. */
  detach(caller: Caller): void {
    this.leave(caller);
    this.#owners.forget(caller);
    this.#progress.forget(caller);
    this.#inbound.forget(caller);
    this.tasks.forget(caller);
  }

  /** Whether `caller` has begun the task `taskId` here. */
  ownsTask(caller: Caller, taskId: unknown): boolean {
    return this.#owners.get(taskId)?.id === caller.id;
  }

  /** Subscribes a session again that was subscribed to `uri` on the instance before this one. */
  async resubscribe(caller: Caller, uri: string): Promise<Result> {
    const params = { uri };
    const ask = () => this.#ask("resources/subscribe", params, this.#options.startTimeoutMs);
    return await this.#subscribeOnce(caller, uri, ask);
  }

  /**
   * Passes a call on and its result back, untouched but for ids and progress tokens.
   *
   * @throws {ExaiError} the signal's reason (the server is told), `UPSTREAM_UNAVAILABLE` when the server ends meanwhile
   */
  async call(call: Call): Promise<Result> {
    this.callCount++;
    switch (call.method) {
      case "resources/subscribe":
        return await this.#subscribeOnce(call.caller, uriOf(call), () => this.#forward(call));
      case "resources/unsubscribe":
        return await this.#unsubscribe(call);
      case "logging/setLevel":
        return await this.setLogLevel(call.caller);
      case "tasks/list":
        return this.#owners.filterTasks(call.caller, await this.#forward(call));
      case "tasks/get":
      case "tasks/result":
      case "tasks/cancel":
        return await this.#aboutTask(call);
    }
    return await this.#forward(call);
  }

  /** A session wants log messages from another level on; the server is told the most talkative that any wants. */
  setLogLevel(caller: Caller): Promise<Result> {
    return this.#logLevel.update(new Set([caller, ...this.attached.values()]));
  }

  /** Resolves when nothing is in flight, now or later. */
  idle(): Promise<void> {
    return this.#inflight.idle();
  }

  /** Passes on a notification of a client that belongs to no call. */
  notify(method: string, params: JsonObject): void {
    if (method === "notifications/tasks/status" && !this.#inbound.hasClientTask(params.taskId)) return;
    this.#send({ jsonrpc: "2.0", method, params });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport.close().catch(() => {});
    this.#finish(this.#unavailable("it was stopped"));
  }

  async #initialize(): Promise<void> {
    const { capabilities, clientInfo, startTimeoutMs } = this.#options;
    this.#transport.onmessage = contained("a message of a server", (message) => this.#receive(message));
    this.#transport.onclose = () =>
      this.#finish(this.#unavailable(this.#transport.describeEnd?.() ?? "it closed the connection"));
    this.#transport.onerror = (error) => {
      log.debug("{server}: {message}", { server: this.#options.name, message: error.message });
    };
    await this.#transport.start();
    const params = { protocolVersion: LATEST_REVISION, capabilities, clientInfo };
    const { result, error } = await this.#ask("initialize", params, startTimeoutMs);
    if (error) throw this.#unavailable(`it refused to initialize: ${error.message}`);
    const description = result as InitializeResult;
    if (!(REVISIONS as readonly string[]).includes(description.protocolVersion)) {
      throw this.#unavailable(`it speaks MCP ${description.protocolVersion}, which EXAI does not`);
    }
    this.#description = { ...description, capabilities: description.capabilities ?? {} };
    this.#transport.setProtocolVersion?.(description.protocolVersion);
    this.#send({ jsonrpc: "2.0", method: "notifications/initialized" });
  }

  #forward(call: Call): Promise<Result> {
    const id = this.#nextId++;
    const { method, progressToken } = call;
    const params = progressToken === undefined ? call.params : withProgressToken(call.params, id);
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const onAbort = () => this.#withdraw(id, abortError(call.signal));
    const stop = () => call.signal.removeEventListener("abort", onAbort);
    this.#inflight.add(id, {
      call,
      settle: (result) => {
        stop();
        // At once: what the server says of a new task may come in the same breath.
        this.#noteHandles(id, call, result);
        resolve(result);
      },
      fail: (error) => (stop(), reject(error)),
    });
    call.signal.addEventListener("abort", onAbort, { once: true });
    if (this.#end) this.#fail(id, this.#end);
    else this.#send({ jsonrpc: "2.0", id, method, params }, id);
    if (call.signal.aborted) onAbort();
    return promise;
  }

  async #ask(method: string, params: JsonObject, timeoutMs: number): Promise<Result> {
    if (this.#end) throw this.#end;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const late = this.#unavailable(`it did not answer ${method} within ${timeoutMs} ms`);
    const timer = setTimeout(() => this.#withdraw(id, late, method), timeoutMs);
    this.#inflight.add(id, { call: undefined, settle: resolve, fail: reject });
    this.#send({ jsonrpc: "2.0", id, method, params }, id);
    return await promise.finally(() => clearTimeout(timer));
  }

  // `initialize` must not be cancelled (MCP basic/utilities/cancellation).
  #withdraw(id: RequestId, error: ExaiError, method?: string): void {
    const entry = this.#inflight.take(id);
    if (!entry) return;
    entry.fail(error);
    if (method === "initialize") return;
    this.notify("notifications/cancelled", { requestId: id, reason: error.message });
  }

  #send(message: RpcMessage, id?: RequestId): void {
    this.lastUsedAtMs = steadyNow();
    this.#transport.send(message).catch((thrown) => {
      if (id === undefined) return;
      const isTooLarge = thrown instanceof ExaiError && thrown.code === "TOO_LARGE";
      this.#fail(id, isTooLarge ? thrown : this.#failureOf(thrown));
    });
  }

  #fail(id: RequestId, error: ExaiError): void {
    this.#inflight.take(id)?.fail(error);
  }

  #receive(message: RpcMessage): void {
    if ("method" in message) this.#inbound.receive(message);
    else this.#inflight.settle(message);
  }

  #finish(reason: ExaiError): void {
    if (this.#end) return;
    this.#end = reason;
    this.#inbound.stop(reason);
    for (const entry of this.#inflight.takeAll()) entry.fail(entry.call ? this.#cutOff(reason) : reason);
    this.#ended.resolve(reason);
  }

  async #aboutTask(call: Call): Promise<Result> {
    const { taskId } = call.params;
    this.#owners.checkTask(call.caller, taskId);
    const result = await this.#forward(call);
    this.tasks.answered(call.method, taskId, result);
    return result;
  }

  /** Only the first of all sessions asks the server itself. */
  async #subscribeOnce(caller: Caller, uri: string, ask: () => Promise<Result>): Promise<Result> {
    if (!this.#subscriptions.add(uri, caller)) return { result: {} };
    let result: Result | undefined;
    try {
      return result = await ask();
    } finally {
      if (!result || result.error) this.#subscriptions.remove(uri, caller);
    }
  }

  async #unsubscribe(call: Call): Promise<Result> {
    if (!this.#subscriptions.remove(uriOf(call), call.caller)) return { result: {} };
    return await this.#forward(call);
  }

  #noteHandles(id: RequestId, call: Call, { result, error }: Result): void {
    const { caller, progressToken } = call;
    if (error) {
      for (const elicitation of requiredElicitations(error.data)) this.#own(elicitation, caller);
      return;
    }
    const task = createdTask(result);
    this.#own(task, caller);
    if (task !== undefined) this.tasks.begun(caller, result.task as JsonObject);
    // The token stays good for as long as the task (MCP basic/utilities/tasks, progress).
    if (task !== undefined && progressToken !== undefined) this.#progress.set(id, { caller, progressToken });
  }

  #own(handle: unknown, caller: Caller): void {
    if (typeof handle === "string") this.#owners.set(handle, caller);
  }

  #levelMayDiffer(): void {
    if (this.#end || !isObject(this.#description?.capabilities.logging)) return;
    this.#logLevel.update(this.attached.values()).catch(() => {});
  }

  /** What the server said of its lists of `kind`; undefined when it has none. */
  #capabilityOf(kind: ListKind): JsonObject | undefined {
    const capability = this.#description?.capabilities[kind === "templates" ? "resources" : kind];
    return isObject(capability) ? capability : undefined;
  }

  /** What a call is told that was under way when the server ended. */
  #cutOff(reason: ExaiError): ExaiError {
    return new ExaiError(reason.code, `${reason.message}; the call was under way and may have run`, {
      cause: reason,
      details: { server: this.#options.name, outcome: "unknown" },
    });
  }

  /** Why a message could not be sent or answered: the server's fault, unless it is this machine that lacks something. */
  #failureOf(thrown: unknown): ExaiError {
    const want = overCapacityFor(`server "${this.#options.name}"`, thrown);
    return want ?? this.#unavailable(messageOf(thrown), thrown);
  }

  #unavailable(why: string, cause?: unknown): ExaiError {
    // Of a server behind a URL: how it refused, and how long it wants to be left alone.
    const { status, retryAfterMs } = (cause ?? {}) as { status?: number; retryAfterMs?: number };
    // It may also repeat in its refusal the key it was shown.
    return new ExaiError("UPSTREAM_UNAVAILABLE", `server "${this.#options.name}": ${redact(why)}`, {
      cause,
      retryAfterMs,
      details: { server: this.#options.name, ...(status === undefined ? {} : { status }) },
    });
  }
}

function withProgressToken(params: JsonObject, token: RequestId): JsonObject {
  return { ...params, _meta: { ...(params._meta as JsonObject), progressToken: token } };
}
