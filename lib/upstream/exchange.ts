import { abortError } from "../base/abort.ts";
import type { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Call } from "../call/call.ts";
import { withProgressToken } from "../wire/mcp.ts";
import type { RequestId, Result, RpcMessage, RpcRequest, RpcResponse } from "../wire/rpc.ts";
import { suspectOf } from "./call_crashes.ts";
import type { Faults } from "./faults.ts";
import type { HandleOwners } from "./handle_owners.ts";
import type { InFlightTable } from "./inflight.ts";
import { messageFault } from "./message_fault.ts";
import type { Suspect } from "./supervisor.ts";
import type { UpstreamTransport } from "../transport/upstream_transport.ts";

/** What an exchange is made of. */
interface ExchangeParts {
  /** The server's name, for messages. */
  name: string;
  transport: UpstreamTransport;
  faults: Faults;
  inflight: InFlightTable;
  handles: HandleOwners;
}

/** How long a server may take to cancel a task that nobody waits for. */
const CANCEL_MS = 30 * SECOND_MS;

/** Requests to one running server: each under an id of the daemon's own, each ended by answer, abort or failure. */
export class UpstreamExchange {
  /** Why the server is gone. */
  end: ExaiError | undefined;
  /** Why nothing new is sent to it, while what is under way may still be answered. */
  lost: ExaiError | undefined;
  /** The one session whose calls were under way when the server ended. */
  suspect: Suspect | undefined;
  lastUsedAtMs = monotonicNow();
  /** What the server can do with tasks, as it says to `initialize`. */
  tasks: unknown;
  readonly inflight: InFlightTable;
  readonly #name: string;
  readonly #transport: UpstreamTransport;
  readonly #faults: Faults;
  readonly #handles: HandleOwners;
  #nextId = 1;

  constructor({ name, transport, faults, inflight, handles }: ExchangeParts) {
    this.#name = name;
    this.#transport = transport;
    this.#faults = faults;
    this.inflight = inflight;
    this.#handles = handles;
  }

  /** The server is gone: what is under way has failed. */
  finish(reason: ExaiError): void {
    this.end = reason;
    this.#handles.late.end();
    const entries = this.inflight.takeAll();
    this.suspect = suspectOf(entries.map(({ call }) => call));
    const isAlone = this.suspect !== undefined;
    for (const entry of entries) {
      entry.fail(entry.call ? this.#faults.cutOff(reason, { isAlone }) : reason);
    }
  }

  /** Passes a call on and its result back. */
  forward(call: Call): Promise<Result> {
    const id = this.#nextId++;
    const { method, progressToken } = call;
    const own = this.#handles.taskNames.inward(call.params);
    const params = progressToken === undefined ? own : withProgressToken(own, id);
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const onAbort = () => this.#withdraw(id, abortError(call.signal));
    const stop = () => call.signal.removeEventListener("abort", onAbort);
    this.inflight.add(id, {
      call,
      settle: (result) => {
        stop();
        // At once: what the server says of a new task may come in the same breath.
        this.#handles.note(id, call, result);
        resolve(this.#handles.asSeen(call, result));
      },
      fail: (error) => (stop(), reject(error)),
    });
    call.signal.addEventListener("abort", onAbort, { once: true });
    if (this.end ?? this.lost) this.#fail(id, this.end ?? this.#faults.notRun(this.lost!));
    else this.#request({ jsonrpc: "2.0", id, method, params }, call);
    if (call.signal.aborted) onAbort();
    return promise;
  }

  /**
   * Passes on a call about a task.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when it is none of the session's
   */
  async aboutTask(call: Call): Promise<Result> {
    const own = this.#handles.ownTask(call.caller, call.params.taskId);
    const result = await this.forward(call);
    this.#handles.answered(call.method, own, result);
    return result;
  }

  /** Asks the server something of the daemon's own. */
  async ask(method: string, params: JsonObject, timeoutMs: number): Promise<Result> {
    if (this.end ?? this.lost) throw this.end ?? this.lost;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const timer = setTimeout(() => {
      const { protocolIssue } = this.#transport;
      const why = `it did not answer ${method} within ${timeoutMs} ms${
        protocolIssue === undefined ? "" : `; ${protocolIssue}`
      }`;
      this.#withdraw(id, this.#faults.unavailable(why), method);
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
    const params = { requestId: id, reason: error.message };
    const cancel = () => this.send({ jsonrpc: "2.0", method: "notifications/cancelled", params });
    const { call } = entry;
    if (!call || !isObject(call.params.task)) return cancel();
    // What begins a task is not cancelled but its task is, once the answer names it: many servers answer nothing that
    // was cancelled, and their task would run for nobody.
    const begins = this.#beginsTasks(call.method);
    this.#handles.late.withdrawn(call, id, begins ? cancel : undefined);
    if (!begins) cancel();
  }

  /** Whether the server runs requests of `method` as tasks where it is asked to. */
  #beginsTasks(method: string): boolean {
    const { requests } = isObject(this.tasks) ? this.tasks : {};
    const [room = "", verb = ""] = method.split("/");
    const ofRoom = isObject(requests) ? requests[room] : undefined;
    return isObject(ofRoom) && isObject(ofRoom[verb]);
  }

  /** A withdrawn request was answered all the same: the task it has begun is cancelled, as nobody asks for it. */
  #settleLate(id: RequestId, answer: Result): void {
    const taskId = this.#handles.noteLate(id, answer);
    if (taskId === undefined || !isObject(this.tasks) || !isObject(this.tasks.cancel)) return;
    this.ask("tasks/cancel", { taskId }, CANCEL_MS)
      .then((answer) => this.#handles.answered("tasks/cancel", taskId, answer), () => {});
  }

  /** Sends what wants no answer, or is one. */
  send(message: RpcMessage): void {
    this.lastUsedAtMs = monotonicNow();
    this.inflight.sentUnasked(message);
    this.#transport.send(message).catch(() => {});
  }

  #request(request: RpcRequest, call?: Call): void {
    this.lastUsedAtMs = monotonicNow();
    const { id } = request;
    this.inflight.follow(id, call, this.#transport.send(request)).catch((thrown) => {
      this.#fail(id, messageFault(thrown, this.#name) ?? this.#faults.of(thrown));
    });
  }

  #fail(id: RequestId, error: ExaiError): void {
    this.inflight.take(id)?.fail(error);
  }

  /** What is wrong with an answer to nothing that waits: one that was withdrawn may come late, no other. */
  unasked({ id, ...answer }: RpcResponse): string | undefined {
    if (this.#handles.late.has(id)) return void this.#settleLate(id, answer);
    const { error } = answer;
    if (typeof id === "number" && id < this.#nextId) return undefined;
    const what = error ? `an error (${error.message})` : "an answer";
    return `(sent ${what} to no request: its id is ${JSON.stringify(id)?.slice(0, 80)})`;
  }
}
