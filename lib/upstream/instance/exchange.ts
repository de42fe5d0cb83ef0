import { abortError } from "../../base/abort.ts";
import type { ExaiError } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import { monotonicNow } from "../../base/time.ts";
import { SECOND_MS } from "../../base/units.ts";
import { type Call, paramOf } from "../../call/call.ts";
import { isLookalike } from "../../wire/lookalikes.ts";
import { withProgressToken } from "../../wire/mcp.ts";
import { RawObject } from "../../wire/raw_object.ts";
import {
  jsonId,
  type RequestId,
  type Result,
  type RpcMessage,
  type RpcRequest,
  type RpcResponse,
} from "../../wire/rpc.ts";
import { TextRequest } from "../../wire/text_request.ts";
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

/** The state of the connection. */
type ExchangeState =
  | { is: "open" }
  /** Nothing new is sent; requests in flight may still be answered. */
  | { is: "lost"; why: ExaiError }
  | { is: "ended"; why: ExaiError };

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
  finish(why: ExaiError): void {
    this.#state = { is: "ended", why };
    this.#handles.withdrawn.clear();
    const entries = this.inflight.takeAll();
    this.suspect = suspectOf(entries.map(({ call }) => call));
    const isAlone = this.suspect !== undefined;
    for (const entry of entries) {
      entry.fail(entry.call ? this.#errors.interrupted(why, { isAlone }) : why);
    }
  }

  /**
   * Forwards a call and its result: params and an answer that came as text are passed on as it, but for the names in
   * them. Other members of the request than those of JSON-RPC are left out.
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
    else this.#fail(id, state.is === "ended" ? state.why : this.#errors.notRun(state.why));
    if (call.signal.aborted) onAbort();
    return promise;
  }

  #requestOf(call: Call, id: number): RpcRequest {
    const { method, progressToken } = call;
    const own = this.#handles.taskAliases.toServer(call.body ? withPlainMeta(call.body) : call.params);
    const params = progressToken === undefined ? own : withProgressToken(own, id);
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
  async ask(method: string, params: JsonObject, timeoutMs: number): Promise<Result> {
    if (this.#state.is !== "open") throw this.#state.why;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const timer = setTimeout(() => {
      const { protocolIssue } = this.#transport;
      const why = `it did not answer ${method} within ${timeoutMs} ms${
        protocolIssue === undefined ? "" : `; ${protocolIssue}`
      }`;
      this.#withdraw(id, this.#errors.unavailable(why), method);
    }, timeoutMs);
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
    const params = { requestId: jsonId(id), reason: error.message };
    const cancel = () => this.send({ jsonrpc: "2.0", method: "notifications/cancelled", params });
    const { call } = entry;
    if (!call || !isObject(paramOf(call, "task"))) return cancel();
    // If the request creates a task, the task is cancelled once the answer names it: many servers do not answer a
    // cancelled request, and its task would run on.
    const createsTask = this.#createsTasks(call.method);
    this.#handles.withdrawn.add(call, id, createsTask ? cancel : undefined);
    if (!createsTask) cancel();
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

/** `params` whose `_meta` has one progress token: of two a server might take the one that is not its call's. */
function withPlainMeta(params: RawObject): RawObject {
  const meta = params.objectAt("_meta");
  if (meta === undefined) return params;
  const others = meta.names.filter((name) => isLookalike(name, "meta"));
  const { text } = others.reduce((plain, name) => plain.without(name), meta);
  return text === params.textOf("_meta") ? params : params.withText("_meta", text);
}
