import { abortError } from "../base/abort.ts";
import type { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { steadyNow } from "../base/steady.ts";
import type { Call } from "../call/call.ts";
import { withProgressToken } from "../wire/mcp.ts";
import type { RequestId, Result, RpcMessage, RpcRequest, RpcResponse } from "../wire/rpc.ts";
import type { Faults } from "./faults.ts";
import type { Handles } from "./handles.ts";
import type { InFlightTable } from "./inflight.ts";
import { messageFault } from "./message_fault.ts";
import type { UpstreamTransport } from "./upstream_transport.ts";

/** What an exchange is made of. */
export interface ExchangeParts {
  /** The server's name, for messages. */
  name: string;
  transport: UpstreamTransport;
  faults: Faults;
  inflight: InFlightTable;
  handles: Handles;
}

/** Requests to one running server: each under an id of the daemon's own, each ended by answer, abort or failure. */
export class Exchange {
  /** Why the server is gone. */
  end: ExaiError | undefined;
  /** Why nothing new is sent to it, while what is under way may still be answered. */
  lost: ExaiError | undefined;
  lastUsedAtMs = steadyNow();
  readonly inflight: InFlightTable;
  readonly #name: string;
  readonly #transport: UpstreamTransport;
  readonly #faults: Faults;
  readonly #handles: Handles;
  #nextId = 1;

  constructor({ name, transport, faults, inflight, handles }: ExchangeParts) {
    this.#name = name;
    this.#transport = transport;
    this.#faults = faults;
    this.inflight = inflight;
    this.#handles = handles;
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

  /** Asks the server something of the daemon's own. */
  async ask(method: string, params: JsonObject, timeoutMs: number): Promise<Result> {
    if (this.end ?? this.lost) throw this.end ?? this.lost;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const timer = setTimeout(() => {
      const { oddity } = this.#transport;
      const why = `it did not answer ${method} within ${timeoutMs} ms${
        oddity === undefined ? "" : `; ${oddity}`
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
    this.send({ jsonrpc: "2.0", method: "notifications/cancelled", params });
  }

  /** Sends what wants no answer, or is one. */
  send(message: RpcMessage): void {
    this.lastUsedAtMs = steadyNow();
    this.inflight.sentUnasked(message);
    this.#transport.send(message).catch(() => {});
  }

  #request(request: RpcRequest, call?: Call): void {
    this.lastUsedAtMs = steadyNow();
    const { id } = request;
    this.inflight.follow(id, call, this.#transport.send(request)).catch((thrown) => {
      this.#fail(id, messageFault(thrown, this.#name) ?? this.#faults.of(thrown));
    });
  }

  #fail(id: RequestId, error: ExaiError): void {
    this.inflight.take(id)?.fail(error);
  }

  /** What is wrong with an answer to nothing that waits: one that was withdrawn may come late, no other. */
  unasked({ id, error }: RpcResponse): string | undefined {
    if (typeof id === "number" && id < this.#nextId) return undefined;
    const what = error ? `an error (${error.message})` : "an answer";
    return `(sent ${what} to no request: its id is ${JSON.stringify(id)?.slice(0, 80)})`;
  }
}
