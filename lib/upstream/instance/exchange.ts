import { abortError } from "../../base/abort.ts";
import type { ExaiError } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import { monotonicNow } from "../../base/time.ts";
import { SECOND_MS } from "../../base/units.ts";
import { type Call, paramOf } from "../../call/call.ts";
import { withProgressToken } from "../../wire/mcp.ts";
import { type Params, RawObject } from "../../wire/raw_object.ts";
import {
  jsonId,
  type RequestId,
  type Result,
  type RpcMessage,
  type RpcRequest,
  type RpcResponse,
} from "../../wire/rpc.ts";
import { isLikeOfMeta } from "../../wire/similar_names.ts";
import { TextRequest } from "../../wire/text_request.ts";
import { withTraceContext } from "../../wire/trace_context.ts";
import { ProcessStoppedError } from "../next_process.ts";
import { suspectOf } from "../call_crashes.ts";
import type { HandleOwners } from "../tasks/handle_owners.ts";
import type { InFlightTable } from "./inflight.ts";
import { messageError, type ServerErrors } from "./server_errors.ts";
import type { CrashSuspect } from "../supervisor.ts";
import type { UpstreamTransport } from "../../transport/upstream_transport.ts";

/** What an exchange is made of. */
interface ExchangeParts {
  /** The server's name, for messages. */
  name: string;
  transport: UpstreamTransport;
  errors: ServerErrors;
  inflight: InFlightTable;
  handles: HandleOwners;
}

/** How requests are written for a server. */
interface ExchangeDialect {
  /** The params of a call as the server gets them; `params` have the names and the progress token it knows. */
  paramsOf(call: Call, params: Params): Params;
  /** Whether a request is cancelled by closing its stream, on transports that have such streams. */
  closesStreams: boolean;
}

const PLAIN: ExchangeDialect = { paramsOf: (_call, params) => params, closesStreams: false };

/** The state of the connection. */
type ExchangeState =
  | { is: "open" }
  /** Nothing new is sent; requests in flight may still be answered. */
  | { is: "lost"; why: ExaiError }
  | { is: "ended"; why: ExaiError };

interface AskTime {
  /** How much of the time-out has gone by with other requests, in milliseconds. */
  spentMs?: number;
}

/** How long a server may take to cancel a task of a withdrawn request. */
const CANCEL_MS = 30 * SECOND_MS;

/** Requests to one running server. Each has an id of the daemon and ends with an answer, an abort or a failure. */
export class UpstreamExchange {
  #state: ExchangeState = { is: "open" };
  /** The only session whose calls were in flight when the server ended. */
  suspect: CrashSuspect | undefined;
  lastUsedAtMs = monotonicNow();
  /** The server's `tasks` capability, from its answer to `initialize`. */
  tasks: unknown;
  /** Set once it is known which era the server speaks. */
  dialect = PLAIN;
  readonly inflight: InFlightTable;
  readonly #name: string;
  readonly #transport: UpstreamTransport;
  readonly #errors: ServerErrors;
  readonly #handles: HandleOwners;
  #nextId = 1;

  constructor({ name, transport, errors, inflight, handles }: ExchangeParts) {
    this.#name = name;
    this.#transport = transport;
    this.#errors = errors;
    this.inflight = inflight;
    this.#handles = handles;
  }

  get isOpen(): boolean {
    return this.#state.is === "open";
  }

  get hasEnded(): boolean {
    return this.#state.is === "ended";
  }

  /** Sends nothing new, as the server has lost our session or does not answer. */
  lose(why: ExaiError): void {
    if (this.isOpen) this.#state = { is: "lost", why };
  }

  /** The server has ended: fails every request in flight. */
  finish(reason: ExaiError): void {
    const before = this.#state;
    const isStopped = before.is === "lost" && before.why instanceof ProcessStoppedError;
    const why = isStopped ? before.why : reason;
    this.#state = { is: "ended", why };
    this.#handles.withdrawn.clear();
    const entries = this.inflight.takeAll();
    this.suspect = suspectOf(entries.map(({ call, isUnsent }) => isUnsent ? undefined : call));
    const isAlone = this.suspect !== undefined;
    for (const { call, isUnsent, fail } of entries) {
      if (isUnsent) fail(this.#errors.notRun(why));
      else fail(call ? this.#errors.interrupted(why, { isAlone }) : why);
    }
  }

  /**
   * Forwards a call and its result: a request and an answer that came as text are passed on as it, but for the ids and
   * the names in them.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server ends meanwhile; the signal's reason
   */
  forward(call: Call): Promise<Result> {
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const onAbort = () => this.#withdraw(id, abortError(call.signal));
    const stop = () => call.signal.removeEventListener("abort", onAbort);
    this.inflight.add(id, {
      call,
      settle: (result) => {
        stop();
        // Synchronously: a message about a new task may follow at once.
        this.#handles.note(id, call, result);
        resolve(this.#handles.toSession(call, result));
      },
      fail: (error) => (stop(), reject(error)),
    });
    call.signal.addEventListener("abort", onAbort, { once: true });
    const state = this.#state;
    if (state.is === "open") this.#request(this.#requestOf(call, id), call);
    else this.#fail(id, this.#errors.notRun(state.why));
    if (call.signal.aborted) onAbort();
    return promise;
  }

  #requestOf(call: Call, id: number): RpcRequest {
    const { method, progressToken, trace } = call;
    const known = this.#handles.taskAliases.toServer(call.body ? withPlainMeta(call.body) : call.params);
    const own = trace?.span ? withTraceContext(known, trace.span.context) : known;
    const params = this.dialect.paramsOf(
      call,
      progressToken === undefined ? own : withProgressToken(own, id),
    );
    return params instanceof RawObject
      ? new TextRequest(id, method, params)
      : { jsonrpc: "2.0", id, method, params };
  }

  /**
   * Forwards a call about a task.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when the task is not one of the session
   */
  async forwardTaskCall(call: Call): Promise<Result> {
    const own = this.#handles.ownTask(call.caller, paramOf(call, "taskId"));
    const result = await this.forward(call);
    this.#handles.answered(call.method, own, result);
    return result;
  }

  /**
   * Sends a request of the daemon's own.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server does not answer in time, or is gone
   */
  async ask(
    method: string,
    params: JsonObject,
    timeoutMs: number,
    { spentMs = 0 }: AskTime = {},
  ): Promise<Result> {
    if (this.#state.is !== "open") throw this.#state.why;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const timer = setTimeout(() => {
      const { protocolIssue } = this.#transport;
      const why = `it did not answer ${method} within ${timeoutMs} ms${
        protocolIssue === undefined ? "" : `; ${protocolIssue}`
      }`;
      this.#withdraw(id, this.#errors.unavailable(why), method);
    }, Math.max(0, timeoutMs - spentMs));
    this.inflight.add(id, { call: undefined, settle: resolve, fail: reject });
    this.#request({ jsonrpc: "2.0", id, method, params });
    return await promise.finally(() => clearTimeout(timer));
  }

  // `initialize` must not be cancelled (MCP basic/utilities/cancellation).
  #withdraw(id: RequestId, error: ExaiError, method?: string): void {
    const entry = this.inflight.take(id, { withdrawn: true });
    if (!entry) return;
    entry.fail(error);
    if (method === "initialize") return;
    const cancel = () => this.#cancel(id, error.message);
    const { call } = entry;
    if (!call || !isObject(paramOf(call, "task"))) return cancel();
    // If the request creates a task, the task is cancelled once the answer names it: many servers do not answer a
    // cancelled request, and its task would run on.
    const createsTask = this.#createsTasks(call.method);
    this.#handles.withdrawn.add(call, id, createsTask ? cancel : undefined);
    if (!createsTask) cancel();
  }

  #cancel(id: RequestId, reason: string): void {
    if (this.dialect.closesStreams && this.#transport.withdraw) return this.#transport.withdraw(id);
    const params = { requestId: jsonId(id), reason };
    this.send({ jsonrpc: "2.0", method: "notifications/cancelled", params });
  }

  /**
   * Sends a request that stays unanswered while its stream is open; it is not in flight, and nothing waits for it.
   * Resolves when its stream has ended, on transports that have such streams; rejects where it cannot be sent.
   *
   * @param onId called with its id before it is sent
   */
  openStream(request: { method: string; params: JsonObject }, onId: (id: number) => void): Promise<void> {
    const id = this.#nextId++;
    onId(id);
    const state = this.#state;
    if (state.is !== "open") return Promise.reject(state.why);
    const sent = this.#transport.send({ jsonrpc: "2.0", id, ...request });
    const hasStreams = this.#transport.withdraw !== undefined;
    return hasStreams ? sent : sent.then(() => new Promise<never>(() => {}));
  }

  /** Cancels a request that {@linkcode openStream} has sent. */
  closeStream(id: number, why: string): void {
    if (this.isOpen) this.#cancel(id, why);
  }

  /** Whether the server runs requests of `method` as tasks on demand: `tasks.requests.tools.call` for `tools/call`. */
  #createsTasks(method: string): boolean {
    const { requests } = isObject(this.tasks) ? this.tasks : {};
    const [category = "", action = ""] = method.split("/");
    const actions = isObject(requests) ? requests[category] : undefined;
    return isObject(actions) && isObject(actions[action]);
  }

  /** A withdrawn request was answered: cancels the task it has created. */
  #settleWithdrawn(id: RequestId, answer: Result): void {
    const taskId = this.#handles.noteWithdrawn(id, answer);
    if (taskId === undefined || !isObject(this.tasks) || !isObject(this.tasks.cancel)) return;
    this.ask("tasks/cancel", { taskId }, CANCEL_MS)
      .then((answer) => this.#handles.answered("tasks/cancel", taskId, answer), () => {});
  }

  /** Sends a notification or a response. */
  send(message: RpcMessage): void {
    this.lastUsedAtMs = monotonicNow();
    this.inflight.unansweredSent(message);
    this.#transport.send(message).catch(() => {});
  }

  #request(request: RpcRequest, call?: Call): void {
    this.lastUsedAtMs = monotonicNow();
    const { id } = request;
    // Why it ends is known when it has ended.
    if (this.#transport.isEnding) return this.inflight.leaveUnsent(id);
    this.inflight.follow(id, call, this.#transport.send(request)).catch((thrown) => {
      this.#fail(id, messageError(thrown, this.#name) ?? this.#errors.of(thrown));
    });
  }

  #fail(id: RequestId, error: ExaiError): void {
    this.inflight.take(id)?.fail(error);
  }

  /** Handles a response that matches no request in flight; returns what is wrong with it, if anything. */
  unmatched(answer: RpcResponse): string | undefined {
    const { id, error } = answer;
    if (this.#handles.withdrawn.has(id)) return void this.#settleWithdrawn(id, answer);
    // The late answer to a withdrawn request.
    if (typeof id === "number" && id < this.#nextId) return undefined;
    const what = error ? `an error (${error.message})` : "an answer";
    return `(sent ${what} to no request: its id is ${
      JSON.stringify(id === null ? id : jsonId(id))?.slice(0, 80)
    })`;
  }
}

/**
 * `params` whose `_meta` has each name once, in whatever case: of two progress tokens a server might take one that is not
 * its call's.
 */
function withPlainMeta(params: RawObject): RawObject {
  const found = params.objectAt("_meta");
  const isLeftOut = (name: string) =>
    isLikeOfMeta(name) || name === "progressToken" && found!.textOf(name) === "null";
  const meta = found?.names.filter(isLeftOut).reduce((rest, name) => rest.without(name), found);
  return meta && meta.text !== params.textOf("_meta") ? params.withText("_meta", meta.text) : params;
}
