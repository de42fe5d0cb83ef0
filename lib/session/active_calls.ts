import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import {
  askOnce,
  type AskOptions,
  type BeginOptions,
  type Call,
  type Caller,
  type InputAnswers,
  type Target,
} from "../call/call.ts";
import type { CallTrace } from "../call/trace.ts";
import type { Parking } from "../call/parking.ts";
import { waitForClient, waitingFor } from "../call/wait.ts";
import { idInUse, toRpcError } from "../wire/codes.ts";
import type { LogLevel } from "../wire/mcp.ts";
import { type Params, RawObject, valueOf } from "../wire/raw_object.ts";
import type { RequestId, Result } from "../wire/rpc.ts";

/**
 * The namespace of a request id. One socket may carry MCP and EXAI ops side by side, and the daemon lists tools for an op
 * under its own ids: the same id in two namespaces names two calls. Requests of the modern era have ids of the daemon's
 * (`modern`): their calls may outlast them, and those of several clients share a session over HTTP.
 */
type IdSpace = "mcp" | "op" | "own" | "modern";

/** A client's request, from which a {@linkcode Call} is made. */
export interface CallRequest {
  id: RequestId;
  /** Default: `mcp`. */
  space?: IdSpace;
  method: string;
  params: Params;
  progressToken?: RequestId;
  timeoutMs?: number;
  logLevel?: LogLevel;
  answers?: InputAnswers;
  parking?: Parking;
  /** Where the layers note what they know of the call. Default: one of its own. */
  trace?: CallTrace;
  begin?(options?: BeginOptions): void;
  notify(method: string, params: Params): void;
  ask(method: string, params: Params, options?: AskOptions): Promise<Result>;
}

/** A call of a client, until it has its result. */
class ClientCall implements Call {
  readonly method: string;
  readonly body: RawObject | undefined;
  readonly caller: Caller;
  readonly signal: AbortSignal;
  readonly abort: Call["abort"];
  readonly progressToken: RequestId | undefined;
  readonly timeoutMs: number | undefined;
  readonly logLevel: LogLevel | undefined;
  readonly answers: InputAnswers | undefined;
  readonly parking: Parking | undefined;
  readonly trace: CallTrace;
  readonly begin: Call["begin"];
  hasEnded = false;
  readonly #request: CallRequest;

  constructor(request: CallRequest, caller: Caller, controller: AbortController) {
    this.method = request.method;
    this.body = request.params instanceof RawObject ? request.params : undefined;
    this.caller = caller;
    this.signal = controller.signal;
    // Other methods may be tried on several servers, each with a time-out of its own.
    this.abort = request.method === "tools/call" ? (reason) => controller.abort(reason) : undefined;
    this.progressToken = request.progressToken;
    this.timeoutMs = request.timeoutMs;
    this.logLevel = request.logLevel;
    this.answers = request.answers;
    this.parking = request.parking;
    this.trace = request.trace ?? { server: undefined, requestId: request.id };
    this.begin = request.begin;
    this.#request = request;
  }

  get params(): JsonObject {
    return valueOf(this.#request.params);
  }

  // Progress must stop when the call has ended (MCP basic/utilities/progress).
  notify(method: string, params: Params): void {
    if (!this.hasEnded) this.#request.notify(method, params);
  }

  ask(method: string, params: Params, options?: AskOptions): Promise<Result> {
    const asked = askOnce(options, () => this.#request.ask(method, params, options));
    return waitingFor(this, waitForClient(method), asked);
  }
}

/** The running calls of one session. Each id runs at most once and gets exactly one result. */
export class ActiveCalls {
  readonly #running: Readonly<Record<IdSpace, Map<RequestId, AbortController>>> = {
    mcp: new Map(),
    op: new Map(),
    own: new Map(),
    modern: new Map(),
  };
  readonly #max: number;

  /** @param max calls that may run at once */
  constructor(max = Infinity) {
    this.#max = max;
  }

  get size(): number {
    const { mcp, op, own, modern } = this.#running;
    return mcp.size + op.size + own.size + modern.size;
  }

  has(id: RequestId, space: IdSpace = "mcp"): boolean {
    return this.#running[space].has(id);
  }

  /** Runs `request` on `target`. Never rejects: what is thrown becomes the result's error. */
  async run(request: CallRequest, caller: Caller, target: Target): Promise<Result> {
    const running = this.#running[request.space ?? "mcp"];
    if (running.has(request.id)) return { error: toRpcError(idInUse(request.id)) };
    if (this.size >= this.#max) return { error: toRpcError(tooManyCalls(this.#max)) };
    const controller = new AbortController();
    running.set(request.id, controller);
    const call = new ClientCall(request, caller, controller);
    try {
      const result: Result | undefined = await target(call);
      return result ??
        { error: toRpcError(new ExaiError("INTERNAL", `${request.method} ended without a result`)) };
    } catch (thrown) {
      return { error: toRpcError(thrown) };
    } finally {
      call.hasEnded = true;
      running.delete(request.id);
    }
  }

  /** Aborts the call `id`; false when it is not running. */
  cancel(id: RequestId, reason: ExaiError, space: IdSpace = "mcp"): boolean {
    const controller = this.#running[space].get(id);
    controller?.abort(reason);
    return controller !== undefined;
  }

  /** Aborts the call that runs under `signal`; false when there is none. */
  cancelBySignal(signal: AbortSignal, reason: ExaiError): boolean {
    for (const controller of this.#controllers()) {
      if (controller.signal !== signal) continue;
      controller.abort(reason);
      return true;
    }
    return false;
  }

  /** Aborts every call. */
  cancelAll(reason: ExaiError): void {
    for (const controller of this.#controllers()) controller.abort(reason);
  }

  #controllers(): AbortController[] {
    return Object.values(this.#running).flatMap((running) => [...running.values()]);
  }
}

function tooManyCalls(max: number): ExaiError {
  return new ExaiError(
    "OVER_CAPACITY",
    `this session has ${max} requests running and waiting, the most it may have`,
    { retryAfterMs: SECOND_MS },
  );
}
