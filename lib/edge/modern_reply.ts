import type { ByteBudget } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { KIB, SECOND_MS } from "../base/units.ts";
import { meteredStream } from "../transport/http_stream.ts";
import { httpStatusOfRpc } from "../wire/codes.ts";

/** Between comments on an open stream, so that nothing on the way takes it for dead. */
const KEEP_ALIVE_MS = 15 * SECOND_MS;

/**
 * An answer that takes longer comes on a stream too, since only that shows that its client has gone: `Deno.serve` does
 * not notice it before the response begins, where the first request of a connection has more than 512 bytes (2.9.6). The
 * errors that must have a status of their own are known by then.
 */
const STREAM_AFTER_MS = 5 * SECOND_MS;

/** A JSON answer of this size is written without being tracked. */
const MAX_SMALL_CHARS = 16 * KIB;

interface ModernReplyOptions {
  /** Unread bytes held for the client; beyond that its request is cancelled. */
  maxQueuedBytes: number;
  /** The bound on what is held for all clients together. */
  budget?: ByteBudget;
  /** Settles when the client has received everything, or is gone. */
  completed: Promise<void>;
  /** Called when the client has closed its connection, or does not read. */
  onGone(reason: ExaiError): void;
}

const encoder = new TextEncoder();

const COMMENT = encoder.encode(":\n\n");

/**
 * The HTTP response to one request of the modern era: JSON, or a stream of events once a notification comes before the
 * answer (MCP basic/transports/streamable-http), or the answer takes long. Only JSON has the status of an error, so no
 * stream is opened before.
 */
export class ModernReply {
  /** Resolves when it is known which of the two it is. */
  readonly response: Promise<Response>;
  readonly #options: ModernReplyOptions;
  readonly #resolve: (response: Response) => void;
  #events: ReadableStreamDefaultController<Uint8Array> | undefined;
  readonly #openLater: ReturnType<typeof setTimeout>;
  #keepAlive: ReturnType<typeof setInterval> | undefined;
  #isOver = false;

  constructor(options: ModernReplyOptions) {
    this.#options = options;
    ({ promise: this.response, resolve: this.#resolve } = Promise.withResolvers<Response>());
    this.#openLater = setTimeout(() => {
      this.#events ??= this.#openStream();
      this.#events.enqueue(COMMENT);
    }, STREAM_AFTER_MS);
  }

  /** Writes a notification about the request. */
  notify(text: string): void {
    if (this.#isOver) return;
    this.#events ??= this.#openStream();
    this.#events.enqueue(eventOf(text));
  }

  /** Writes the answer; `code`: that of its error. */
  finish(text: string, code: number | undefined): void {
    if (this.#isOver) return;
    this.#end();
    if (this.#events) {
      this.#events.enqueue(eventOf(text));
      return this.#events.close();
    }
    const headers = { "content-type": "application/json" };
    const body = text.length <= MAX_SMALL_CHARS
      ? text
      : this.#metered(ReadableStream.from([encoder.encode(text)]));
    this.#resolve(new Response(body, { status: code === undefined ? 200 : httpStatusOfRpc(code), headers }));
  }

  /** The client is gone: nothing is written any more. */
  abandon(): void {
    if (this.#isOver) return;
    this.#end();
    // Nobody gets it, but the listener waits for a response.
    if (!this.#events) return this.#resolve(new Response(null, { status: 499 }));
    this.#events.close();
  }

  #openStream(): ReadableStreamDefaultController<Uint8Array> {
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({
      start: (made) => void (controller = made),
      cancel: () => this.#gone("the client has closed the stream of its request, or does not read it"),
    });
    const headers = {
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
    };
    this.#resolve(new Response(this.#metered(stream), { headers }));
    this.#keepAlive = setInterval(() => this.#events!.enqueue(COMMENT), KEEP_ALIVE_MS);
    return controller!;
  }

  #metered(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const { maxQueuedBytes, budget, completed } = this.#options;
    return meteredStream(body, { maxQueuedBytes, budget, completed, onBytes: () => {}, onEnd: () => {} });
  }

  #gone(why: string): void {
    if (this.#isOver) return;
    this.#end();
    this.#options.onGone(new ExaiError("CANCELLED", why));
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#openLater);
    clearInterval(this.#keepAlive);
  }
}

/** No id: such a stream cannot be resumed. */
function eventOf(text: string): Uint8Array {
  return encoder.encode(`event: message\ndata: ${text}\n\n`);
}
