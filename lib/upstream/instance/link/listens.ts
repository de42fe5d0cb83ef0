import { type ErrorCode, ExaiError, messageOf } from "../../../base/errors.ts";
import { isObject, type Json, type JsonObject } from "../../../base/json.ts";
import { META } from "../../../wire/client_claim.ts";
import { CODES } from "../../../wire/codes.ts";
import { memberOf, type Params } from "../../../wire/raw_object.ts";
import { mintedId, type RequestId, type Result } from "../../../wire/rpc.ts";
import type { UpstreamExchange } from "../exchange.ts";
import type { ListenStream } from "./server_link.ts";

/** The first notification of a stream (MCP basic/patterns/subscriptions, acknowledgment). */
const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";

interface OpenStream {
  acknowledged: PromiseWithResolvers<JsonObject>;
  ended: PromiseWithResolvers<{ isGraceful: boolean }>;
  deliver(method: string, params: Params): void;
}

interface StreamEnd {
  isGraceful: boolean;
  why: string;
  /** Of the error for one that was not acknowledged. */
  code?: ErrorCode;
}

interface ListensOptions {
  /** The server's name, for messages. */
  name: string;
  /** How long the server may take to acknowledge, in milliseconds. */
  timeoutMs: number;
  exchange: Pick<UpstreamExchange, "openStream" | "closeStream">;
}

/**
 * The streams of `subscriptions/listen` of one server, by the ids of their requests. They are no calls: nothing waits for
 * them, and they neither keep a server busy nor time out.
 */
export class Listens {
  readonly #options: ListensOptions;
  readonly #open = new Map<RequestId, OpenStream>();

  constructor(options: ListensOptions) {
    this.#options = options;
  }

  /**
   * Opens a stream; `params` are those of the request.
   *
   * @throws {ExaiError} `METHOD_NOT_FOUND` when the server does not know `subscriptions/listen`; `UPSTREAM_UNAVAILABLE` when
   * it refuses it otherwise, does not acknowledge it in time, or is gone
   */
  async open(params: JsonObject, deliver: OpenStream["deliver"]): Promise<ListenStream> {
    const { timeoutMs, exchange } = this.#options;
    const stream: OpenStream = {
      acknowledged: Promise.withResolvers(),
      ended: Promise.withResolvers(),
      deliver,
    };
    let id = 0;
    const sent = exchange.openStream({ method: "subscriptions/listen", params }, (own) => {
      this.#open.set(id = own, stream);
    });
    sent.then(
      () => this.#end(id, { isGraceful: false, why: "its stream was cut" }),
      (thrown) => this.#end(id, { isGraceful: false, why: messageOf(thrown) }),
    );
    const close = (why = "nobody listens any more") => {
      if (this.#open.has(id)) exchange.closeStream(id, why);
      this.#end(id, { isGraceful: true, why });
    };
    const late = `it did not acknowledge subscriptions/listen within ${timeoutMs} ms`;
    const timer = setTimeout(() => close(late), timeoutMs);
    try {
      const honoured = await stream.acknowledged.promise;
      return { honoured, ended: stream.ended.promise, close };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Takes a notification that is tagged with the id of a stream; returns whether it is. */
  take(method: string, params: Params): boolean {
    const tag = tagOf(params);
    const stream = tag === undefined ? undefined : this.#open.get(mintedId(tag));
    if (!stream) return tag !== undefined;
    if (method !== ACKNOWLEDGED) stream.deliver(method, params);
    else {
      const honoured = memberOf(params, "notifications");
      stream.acknowledged.resolve(isObject(honoured) ? honoured : {});
    }
    return true;
  }

  /** Takes the answer to the request of a stream, which ends it; returns whether it is one. */
  settle(id: RequestId | null, { error }: Result): boolean {
    const stream = id === null ? undefined : this.#open.get(mintedId(id));
    if (!stream) return false;
    const why = error ? `it refused subscriptions/listen: ${error.message}` : "it ended the stream";
    const isUnknown = error?.code === CODES.METHOD_NOT_FOUND.rpc;
    this.#end(mintedId(id!), { isGraceful: !error, why, code: isUnknown ? "METHOD_NOT_FOUND" : undefined });
    return true;
  }

  /** The server has cancelled the request of a stream, which ends it (MCP basic/patterns/cancellation). */
  cancelled(params: Params): void {
    const id = memberOf(params, "requestId");
    if (typeof id !== "number" && typeof id !== "string") return;
    this.#end(mintedId(id), { isGraceful: true, why: "it ended the stream" });
  }

  /** The connection has ended. */
  endAll({ message }: ExaiError): void {
    for (const id of this.#open.keys()) this.#end(id, { isGraceful: false, why: message });
  }

  #end(id: RequestId, { isGraceful, why, code = "UPSTREAM_UNAVAILABLE" }: StreamEnd): void {
    const stream = this.#open.get(id);
    if (!stream) return;
    this.#open.delete(id);
    const { name } = this.#options;
    const error = new ExaiError(code, `server "${name}": ${why}`, {
      details: { server: name },
    });
    stream.acknowledged.reject(error);
    stream.ended.resolve({ isGraceful });
  }
}

function tagOf(params: Params): string | number | undefined {
  const meta: Json | undefined = memberOf(params, "_meta");
  const tag = isObject(meta) ? meta[META.subscription] : undefined;
  return typeof tag === "string" || typeof tag === "number" ? tag : undefined;
}
