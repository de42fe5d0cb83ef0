import { isObject } from "../base/json.ts";
import { jsonId, type RequestId, type RpcNotification } from "../wire/rpc.ts";

/** Requests from the daemon that the client has not answered. */
export class DaemonRequests {
  readonly #ids = new Set<RequestId>();

  add(id: RequestId): void {
    this.#ids.add(id);
  }

  /** Removes `id`; false when the daemon does not wait for a response to it. */
  take(id: RequestId): boolean {
    return this.#ids.delete(id);
  }

  /** @param params those of a `notifications/cancelled` of the daemon */
  handleCancelled(params: unknown): void {
    if (isObject(params)) this.#ids.delete(params.requestId as RequestId);
  }

  /** Removes all requests, whose daemon has ended; returns the notifications that cancel them at the client. */
  cancelAll(): RpcNotification[] {
    const reason = "the daemon that asked has gone away";
    const notifications = Array.from(this.#ids, (requestId) => ({
      jsonrpc: "2.0" as const,
      method: "notifications/cancelled",
      params: { requestId: jsonId(requestId), reason },
    }));
    this.#ids.clear();
    return notifications;
  }
}
