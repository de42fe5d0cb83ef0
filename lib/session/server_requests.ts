import { abortError } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { AskOptions } from "../call/call.ts";
import type { OnUndelivered } from "./outbound_messages.ts";
import type { RequestId, Result, RpcMessage, RpcResponse } from "../wire/rpc.ts";

interface PendingServerRequest {
  resolve(result: Result): void;
  reject(error: ExaiError): void;
  onProgress?: (params: JsonObject) => void;
}

/** Questions one client may have before it. */
const MAX_PENDING = 1024;

/** Sends a message to the client; `relatedTo` is the client's own request that caused it. */
export type SendToClient = (
  message: RpcMessage,
  options: { relatedTo?: RequestId; onlost?: OnUndelivered },
) => void;

/** Requests sent to a client that it has not answered yet: sampling, elicitation, roots. */
export class ServerRequests {
  readonly #pending = new Map<RequestId, PendingServerRequest>();
  readonly #post: SendToClient;
  // A late answer to a daemon that is gone must not be taken for one to its successor, which counts anew.
  readonly #prefix = `exai-${crypto.randomUUID().slice(0, 8)}-`;
  #next = 1;
  /** Why the client cannot be asked any more. */
  #over: ExaiError | undefined;

  constructor(post: SendToClient) {
    this.#post = post;
  }

  /**
   * Asks the client and waits for its answer. Progress of the client is passed on when `onProgress` is given.
   *
   * @throws {ExaiError} the reason `options.signal` aborted with (the client is told), `TIMEOUT`, or why the
   * session ended
   */
  request(
    request: { method: string; params: JsonObject; relatedTo?: RequestId },
    options: AskOptions = {},
  ): Promise<Result> {
    if (this.#over) return Promise.reject(this.#over);
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(
        new ExaiError("OVER_CAPACITY", `this client has not answered ${MAX_PENDING} questions yet`),
      );
    }
    const id = this.#prefix + this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const params = { ...request.params };
    if (options.onProgress) params._meta = { ...(params._meta as JsonObject), progressToken: id };
    const cleanup = this.#watch(id, options, { relatedTo: request.relatedTo });
    this.#pending.set(id, {
      resolve: (result) => (cleanup(), resolve(result)),
      reject: (error) => (cleanup(), reject(error)),
      onProgress: options.onProgress,
    });
    const onlost: OnUndelivered = (error) => this.#fail(id, error);
    this.#post({ jsonrpc: "2.0", id, method: request.method, params }, {
      relatedTo: request.relatedTo,
      onlost,
    });
    if (options.signal?.aborted) this.#withdraw(id, abortError(options.signal), request.relatedTo);
    return promise;
  }

  /** Takes the client's response; false when nothing waits for it. */
  handleResponse(response: RpcResponse): boolean {
    // No question has the id null.
    const id = response.id as RequestId;
    const pending = this.#pending.get(id);
    if (!pending) return false;
    this.#pending.delete(id);
    pending.resolve(response.error ? { error: response.error } : { result: response.result! });
    return true;
  }

  /** The client has answered `id` with what is no response. */
  rejectMalformed(id: unknown, why: string): void {
    this.#fail(id as RequestId, new ExaiError("INVALID_REQUEST", `the client's answer is malformed: ${why}`));
  }

  /** Passes on the client's progress about what it was asked. */
  handleProgress(params: JsonObject): void {
    this.#pending.get(params.progressToken as RequestId)?.onProgress?.(params);
  }

  /** The session is over: fails everything that waits, and whatever is asked from now on. */
  close(error: ExaiError): void {
    this.#over = error;
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of waiting) pending.reject(error);
  }

  #fail(id: RequestId, error: ExaiError): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.reject(error);
  }

  #watch(id: string, options: AskOptions, related: { relatedTo?: RequestId }): () => void {
    const { signal, timeoutMs } = options;
    const onAbort = () => this.#withdraw(id, abortError(signal!), related.relatedTo);
    signal?.addEventListener("abort", onAbort, { once: true });
    const late = () => new ExaiError("TIMEOUT", `the client did not answer within ${timeoutMs} ms`);
    const timer = timeoutMs === undefined
      ? undefined
      : setTimeout(() => this.#withdraw(id, late(), related.relatedTo), timeoutMs);
    return () => {
      signal?.removeEventListener("abort", onAbort);
      clearTimeout(timer);
    };
  }

  #withdraw(id: string, error: ExaiError, relatedTo?: RequestId): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    const params = { requestId: id, reason: error.message };
    this.#post({ jsonrpc: "2.0", method: "notifications/cancelled", params }, { relatedTo });
    pending.reject(error);
  }
}
