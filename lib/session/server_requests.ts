import { abortError } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import type { AskOptions } from "../call/call.ts";
import { withProgressToken } from "../wire/mcp.ts";
import { memberOf, type Params } from "../wire/raw_object.ts";
import type { RequestId, Result, RpcResponse } from "../wire/rpc.ts";
import type { SendToClient } from "./message_sink.ts";

interface PendingServerRequest {
  resolve(result: Result): void;
  reject(error: ExaiError): void;
  onProgress?: (params: Params) => void;
}

/** Unanswered requests one client may have. */
const MAX_PENDING = 1024;

/** Requests from the daemon to one client that are not answered yet: sampling, elicitation, roots (MCP client features). */
export class ServerRequests {
  readonly #pending = new Map<RequestId, PendingServerRequest>();
  readonly #send: SendToClient;
  // Unique per process, so that a late response to an earlier daemon matches no request of this one.
  readonly #prefix = `exai-${crypto.randomUUID().slice(0, 8)}-`;
  #next = 1;
  /** Set when the session has ended: the reason later requests fail with. */
  #closedWith: ExaiError | undefined;

  constructor(send: SendToClient) {
    this.#send = send;
  }

  /**
   * Sends a request and waits for the client's response.
   *
   * @returns the client's result, or its JSON-RPC error
   * @throws {ExaiError} the reason `options.signal` aborted with (the client receives `notifications/cancelled`),
   * `TIMEOUT`, `OVER_CAPACITY`, or the reason the session ended with
   */
  request(
    request: { method: string; params: Params; relatedTo?: RequestId },
    options: AskOptions = {},
  ): Promise<Result> {
    if (this.#closedWith) return Promise.reject(this.#closedWith);
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(
        new ExaiError("OVER_CAPACITY", `this client has not answered ${MAX_PENDING} questions yet`),
      );
    }
    const { method, relatedTo } = request;
    const id = this.#prefix + this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const params = options.onProgress ? withProgressToken(request.params, id) : request.params;
    const cleanup = this.#cancelOnAbortOrTimeout(id, options, relatedTo);
    this.#pending.set(id, {
      resolve: (result) => (cleanup(), resolve(result)),
      reject: (error) => (cleanup(), reject(error)),
      onProgress: options.onProgress,
    });
    this.#send({ id, method, params }, {
      relatedTo,
      onUndelivered: (error) => this.#reject(id, error),
    });
    if (options.signal?.aborted) this.#cancel(id, abortError(options.signal), relatedTo);
    return promise;
  }

  /** Takes the client's response; false when no request waits for it. */
  handleResponse(response: RpcResponse): boolean {
    // No request has the id null.
    const id = response.id as RequestId;
    const pending = this.#pending.get(id);
    if (!pending) return false;
    this.#pending.delete(id);
    pending.resolve(response);
    return true;
  }

  /** Fails the request `id`, whose response is malformed. */
  rejectMalformed(id: unknown, why: string): void {
    this.#reject(
      id as RequestId,
      new ExaiError("INVALID_REQUEST", `the client's answer is malformed: ${why}`),
    );
  }

  /** Passes on a progress notification of the client. */
  handleProgress(params: Params): void {
    const token = memberOf(params, "progressToken");
    this.#pending.get(token as RequestId)?.onProgress?.(params);
  }

  /** Fails all pending requests, and later ones, with `error`: the session has ended. */
  close(error: ExaiError): void {
    this.#closedWith = error;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(error);
  }

  #reject(id: RequestId, error: ExaiError): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.reject(error);
  }

  #cancelOnAbortOrTimeout(id: string, { signal, timeoutMs }: AskOptions, relatedTo?: RequestId): () => void {
    const onAbort = () => this.#cancel(id, abortError(signal!), relatedTo);
    signal?.addEventListener("abort", onAbort, { once: true });
    const timedOut = () => new ExaiError("TIMEOUT", `the client did not answer within ${timeoutMs} ms`);
    const timer = timeoutMs === undefined
      ? undefined
      : setTimeout(() => this.#cancel(id, timedOut(), relatedTo), timeoutMs);
    return () => {
      signal?.removeEventListener("abort", onAbort);
      clearTimeout(timer);
    };
  }

  #cancel(id: string, error: ExaiError, relatedTo?: RequestId): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    const params = { requestId: id, reason: error.message };
    this.#send({ method: "notifications/cancelled", params }, { relatedTo });
    pending.reject(error);
  }
}
