import { isObject, type JsonObject } from "../base/json.ts";
import type { RequestId, RpcNotification } from "../wire/rpc.ts";

/** Requests the daemon has made of the client that are not answered. */
export class DaemonRequests {
  readonly #open = new Set<RequestId>();

  add(id: RequestId): void {
    this.#open.add(id);
  }

  /** Whether the daemon waits for an answer to `id`, which it does no more from here on. */
  take(id: RequestId): boolean {
    return this.#open.delete(id);
  }

  /** Takes in what the parameters of the daemon's `notifications/cancelled` say. */
  handleCancelled(params: unknown): void {
    if (isObject(params)) this.#open.delete(params.requestId as RequestId);
  }

  /** The daemon that asked has gone away; what the client is told of that. */
  cancelAll(): RpcNotification[] {
    const reason = "the daemon that asked has gone away";
    const withdrawn = [...this.#open].map((requestId) => {
      const params: JsonObject = { requestId, reason };
      return { jsonrpc: "2.0" as const, method: "notifications/cancelled", params };
    });
    this.#open.clear();
    return withdrawn;
  }
}
