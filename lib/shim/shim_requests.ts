import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { type PeekedResponse, responseBody } from "../wire/peek.ts";
import type { RequestId } from "../wire/rpc.ts";

/** The daemon's response to a request of the shim's own. */
interface ShimResponse {
  failed: boolean;
  /** `"result":…}` or `"error":…}` as the daemon wrote it. */
  body: string;
}

/** Requests the shim itself sends to the daemon, hidden from the client. */
export class ShimRequests {
  // Random, so that no id of the client collides with it.
  readonly #prefix = `exai-shim-${crypto.randomUUID()}-`;
  readonly #pending = new Map<RequestId, PromiseWithResolvers<ShimResponse>>();
  readonly #send: (text: string) => void;
  #next = 1;

  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  /** Pending requests. */
  get size(): number {
    return this.#pending.size;
  }

  /** @throws {ExaiError} `DAEMON_UNAVAILABLE` when the connection ends first */
  request(method: string, params?: JsonObject): Promise<ShimResponse> {
    const id = this.#prefix + this.#next++;
    const pending = Promise.withResolvers<ShimResponse>();
    this.#pending.set(id, pending);
    this.#send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return pending.promise;
  }

  /** Takes the response `message`; false when it is for the client. */
  handleResponse(message: { readonly text: string }, { id, failed }: PeekedResponse): boolean {
    if (typeof id !== "string" || !id.startsWith(this.#prefix)) return false;
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.resolve({ failed, body: responseBody(message.text) });
    return true;
  }

  /** Fails all pending requests: the connection has ended. */
  failAll(why: string): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new ExaiError("DAEMON_UNAVAILABLE", why));
  }
}
