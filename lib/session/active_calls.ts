import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { JsonObject } from "../base/json.ts";
import { askOnce, type AskOptions, type Call, type Caller, type Target } from "../call/call.ts";
import { waitForClient, waitingFor } from "../call/wait.ts";
import { idInUse, toRpcError } from "../wire/codes.ts";
import type { RequestId, Result } from "../wire/rpc.ts";

/**
 * Who has chosen an id. A socket may speak MCP and ops side by side, and the daemon asks on behalf of an op under ids of
 * its own: the same id in two spaces is two calls.
 */
export type IdSpace = "mcp" | "op" | "own";

/** What the session room needs to make a {@linkcode Call} of a request. */
export interface CallRequest {
  id: RequestId;
  /** Whose ids `id` is one of; MCP's when left out. */
  space?: IdSpace;
  method: string;
  params: JsonObject;
  progressToken?: string | number;
  timeoutMs?: number;
  begin?(): void;
  notify(method: string, params: JsonObject): void;
  ask(method: string, params: JsonObject, options?: AskOptions): Promise<Result>;
}

/** The calls of one session that are running: each id at most once, each answered exactly once. */
export class ActiveCalls {
  readonly #running: Readonly<Record<IdSpace, Map<RequestId, AbortController>>> = {
    mcp: new Map(),
    op: new Map(),
    own: new Map(),
  };
  readonly #max: number;

  /** @param max how many may run at once */
  constructor(max = Infinity) {
    this.#max = max;
  }

  get size(): number {
    const { mcp, op, own } = this.#running;
    return mcp.size + op.size + own.size;
  }

  has(id: RequestId, space: IdSpace = "mcp"): boolean {
    return this.#running[space].has(id);
  }

  /** Runs `request` on `target`. Never rejects: what is thrown becomes the result's error. */
  async run(request: CallRequest, caller: Caller, target: Target): Promise<Result> {
    const running = this.#running[request.space ?? "mcp"];
    if (running.has(request.id)) return { error: toRpcError(idInUse(request.id)) };
    if (this.size >= this.#max) return { error: toRpcError(tooMany(this.#max)) };
    const controller = new AbortController();
    running.set(request.id, controller);
    let over = false;
    const call: Call = {
      method: request.method,
      params: request.params,
      caller,
      signal: controller.signal,
      progressToken: request.progressToken,
      timeoutMs: request.timeoutMs,
      trace: { server: undefined },
      begin: request.begin,
      // A target that goes on after its end must not speak any more (MCP basic/utilities/progress).
      notify: (method, params) => over || request.notify(method, params),
      ask: (method, params, options) =>
        waitingFor(
          call,
          waitForClient(method),
          askOnce(options, () => request.ask(method, params, options)),
        ),
    };
    try {
      const result: Result | undefined = await target(call);
      return result ??
        { error: toRpcError(new ExaiError("INTERNAL", `${request.method} ended without a result`)) };
    } catch (thrown) {
      return { error: toRpcError(thrown) };
    } finally {
      over = true;
      running.delete(request.id);
    }
  }

  /** Aborts the call `id`; false when it is not running. */
  cancel(id: RequestId, reason: ExaiError, space: IdSpace = "mcp"): boolean {
    const controller = this.#running[space].get(id);
    controller?.abort(reason);
    return controller !== undefined;
  }

  /** Aborts the call that runs under `signal`; false when none does. */
  cancelBySignal(signal: AbortSignal, reason: ExaiError): boolean {
    for (const controller of this.#controllers()) {
      if (controller.signal !== signal) continue;
      controller.abort(reason);
      return true;
    }
    return false;
  }

  /** Aborts every call, as when the client has vanished. */
  cancelAll(reason: ExaiError): void {
    for (const controller of this.#controllers()) controller.abort(reason);
  }

  #controllers(): AbortController[] {
    return Object.values(this.#running).flatMap((running) => [...running.values()]);
  }
}

function tooMany(max: number): ExaiError {
  return new ExaiError(
    "OVER_CAPACITY",
    `this session has ${max} requests running and waiting, the most it may have`,
    { retryAfterMs: SECOND_MS },
  );
}
