import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { type PeekedResponse, responseBody } from "../wire/peek.ts";
import type { RequestId } from "../wire/rpc.ts";

/** The daemon's answer to a request of the shim's own. */
interface ShimResponse {
  failed: boolean;
  /** `"result":…}` or `"error":…}` as the daemon wrote it. */
  body: string;
}

interface Waiting {
  resolve(answer: ShimResponse): void;
  reject(error: ExaiError): void;
}

/** Requests the shim itself makes of the daemon; the client sees neither them nor their answers. */
export class ShimRequests {
  // No id of a client's can be like this one.
  readonly #prefix = `exai-shim-${crypto.randomUUID()}-`;
  readonly #waiting = new Map<RequestId, Waiting>();
  readonly #send: (text: string) => void;
  #next = 1;

  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  /** Requests that are not answered. */
  get size(): number {
    return this.#waiting.size;
  }

  /** @throws {ExaiError} `DAEMON_UNAVAILABLE` when the connection ends first */
  request(method: string, params?: JsonObject): Promise<ShimResponse> {
    const id = this.#prefix + this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<ShimResponse>();
    this.#waiting.set(id, { resolve, reject });
    this.#send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return promise;
  }

  /** Takes the answer in `text`; false when it is not for us. */
  handleResponse(text: string, response: PeekedResponse): boolean {
    const { id } = response;
    if (typeof id !== "string" || !id.startsWith(this.#prefix)) return false;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.resolve({ failed: response.failed, body: responseBody(text, response) });
    return true;
  }

  /** The connection they were made on is gone. */
  failAll(why: string): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new ExaiError("DAEMON_UNAVAILABLE", why));
  }
}
