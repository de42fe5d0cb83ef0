import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { AskOptions, Call, Caller, Target } from "../call/call.ts";
import { waitForClient, waitingFor } from "../call/wait.ts";
import { toRpcError } from "../wire/codes.ts";
import type { RequestId, Result } from "../wire/rpc.ts";

/** What the session room needs to make a {@linkcode Call} of a request. */
export interface CallRequest {
  id: RequestId;
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
  readonly #running = new Map<RequestId, AbortController>();

  get size(): number {
    return this.#running.size;
  }

  has(id: RequestId): boolean {
    return this.#running.has(id);
  }

  /** Runs `request` on `target`. Never rejects: what is thrown becomes the result's error. */
  async run(request: CallRequest, caller: Caller, target: Target): Promise<Result> {
    if (this.#running.has(request.id)) return { error: toRpcError(duplicate(request.id)) };
    const controller = new AbortController();
    this.#running.set(request.id, controller);
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
        waitingFor(call, waitForClient(method), request.ask(method, params, options)),
    };
    try {
      const result: Result | undefined = await target(call);
      return result ??
        { error: toRpcError(new ExaiError("INTERNAL", `${request.method} ended without a result`)) };
    } catch (thrown) {
      return { error: toRpcError(thrown) };
    } finally {
      over = true;
      this.#running.delete(request.id);
    }
  }

  /** Aborts the call `id`; false when it is not running. */
  cancel(id: RequestId, reason: ExaiError): boolean {
    const controller = this.#running.get(id);
    controller?.abort(reason);
    return controller !== undefined;
  }

  /** Aborts the call that runs under `signal`; false when none does. */
  cancelBySignal(signal: AbortSignal, reason: ExaiError): boolean {
    for (const controller of this.#running.values()) {
      if (controller.signal !== signal) continue;
      controller.abort(reason);
      return true;
    }
    return false;
  }

  /** Aborts every call, as when the client has vanished. */
  cancelAll(reason: ExaiError): void {
    for (const controller of this.#running.values()) controller.abort(reason);
  }
}

function duplicate(id: RequestId): ExaiError {
  return new ExaiError(
    "INVALID_REQUEST",
    `request id ${JSON.stringify(id)} is already in use by a call that is still running; ` +
      "give each request an id of its own",
  );
}
