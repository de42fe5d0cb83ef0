// @ts-types="@modelcontextprotocol/sdk/server/webStandardStreamableHttp"
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { ByteBudget } from "../base/byte_budget.ts";
import { SECOND_MS } from "../base/units.ts";
import { CODES, idInUse, toRpcError } from "../wire/codes.ts";
import { type RequestId, responseTo, type RpcMessage, type RpcResponse } from "../wire/rpc.ts";
import { EventLog, type EventLogLimits, type SdkMessage } from "./event_log.ts";
import { meteredStream } from "./http_stream.ts";
import { RequestsInFlight } from "./requests_in_flight.ts";
import type { LoggedEvent } from "./stream_events.ts";
import type { SendOptions, Transport } from "./transport.ts";

/** The SDK parses ids as numbers, so that no other comes in by this door. */
type SdkId = string | number;

interface HttpTransportOptions {
  /** Creates the session after a valid `initialize`; returns its id. */
  newSessionId(): string;
  /** Limits of what is kept for a client whose connection was cut. */
  keep: EventLogLimits;
  /** Unread bytes held for one stream; beyond that it is cut. */
  maxQueuedBytes: number;
}

/** One HTTP exchange of a session. */
export interface HttpExchange {
  /** The parsed body of a POST. */
  body?: unknown;
  /** Its size in bytes. */
  bodyBytes?: number;
  /** Resolves when the response has been passed to the system; rejects when the client is gone. */
  completed: Promise<void>;
}

/** The reconnection time sent to clients. */
const RETRY_MS = SECOND_MS;

/**
 * The server's end of one Streamable HTTP session (MCP basic/transports), on the SDK's transport. Adds what that
 * leaves to its user: a stream that is not read is cut, answers are kept until they are delivered, a stream that has
 * ended is not opened again.
 */
export class HttpServerTransport implements Transport {
  onmessage?: (message: RpcMessage) => void;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  bytesIn = 0;
  bytesOut = 0;
  /** Resolves when the session has ended. */
  readonly closed: Promise<void>;
  readonly #sdk: WebStandardStreamableHTTPServerTransport;
  readonly #log: EventLog;
  readonly #inFlight = new RequestsInFlight();
  readonly #maxQueuedBytes: number;
  readonly #budget: ByteBudget | undefined;
  #streams = 0;
  #listeners = 0;
  /** Requests whose streams are about to be opened. */
  #opening = 0;

  constructor(options: HttpTransportOptions) {
    this.#log = new EventLog(options.keep);
    this.#maxQueuedBytes = options.maxQueuedBytes;
    this.#budget = options.keep.budget;
    this.#sdk = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: options.newSessionId,
      eventStore: this.#log,
      retryInterval: RETRY_MS,
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#sdk.onmessage = (message) => this.onmessage?.(message as RpcMessage);
    this.#sdk.onerror = (error) => this.onerror?.(error);
    this.#sdk.onclose = () => {
      this.#log.clear();
      resolve();
      this.onclose?.();
    };
  }

  /** Undefined until a client has initialized. */
  get sessionId(): string | undefined {
    return this.#sdk.sessionId;
  }

  /** Streams the client reads at the moment. */
  get streams(): number {
    return this.#streams;
  }

  /** Whether the client has, or is about to have, a stream on which it can get an answer. */
  get isReading(): boolean {
    return this.#streams + this.#opening > 0;
  }

  /** Whether the client has a standalone stream open. */
  get listening(): boolean {
    return this.#listeners > 0;
  }

  start(): Promise<void> {
    return this.#sdk.start();
  }

  /** Handles one HTTP request of the client. */
  async handle(request: Request, exchange: HttpExchange): Promise<Response> {
    this.bytesIn += exchange.bodyBytes ?? 0;
    const lastEventId = request.method === "GET" ? request.headers.get("last-event-id") : null;
    if (lastEventId !== null) {
      const resumption = this.#log.resume(lastEventId);
      if (resumption.kind === "over") return this.#finished(resumption.missed, request, exchange);
    }
    const { body, ids, duplicates } = this.#inFlight.admit(exchange.body);
    if (duplicates.length > 0 && body === undefined) return duplicateErrors(duplicates);
    this.#opening++;
    const response = await this.#sdk.handleRequest(request, { parsedBody: body })
      .finally(() => this.#opening--);
    if (response.body === null || !isEventStream(response)) {
      this.#inFlight.release(ids);
      return response.ok && duplicates.length > 0 ? duplicateErrors(duplicates) : response;
    }
    const { status, headers } = response;
    const stream = this.#watch(response.body, request, { ...exchange, body });
    return new Response(duplicates.length > 0 ? withPrefix(duplicates, stream) : stream, { status, headers });
  }

  /**
   * Sends a message on the stream of the request it belongs to, or on the standalone stream if it belongs to none or
   * that one has been answered.
   */
  async send(message: RpcMessage, options: SendOptions = {}): Promise<void> {
    try {
      await this.#sdk.send(message as SdkMessage, options as { relatedRequestId?: SdkId });
    } catch (thrown) {
      if (options.relatedRequestId === undefined) throw thrown;
      await this.#sdk.send(message as SdkMessage);
    } finally {
      if (!("method" in message) && message.id !== null) this.#inFlight.answered(message.id);
    }
  }

  /**
   * Ends the stream of a cancelled request, which gets no answer. A client that resumes it is told that nothing
   * follows.
   */
  abandon(id: RequestId): void {
    this.#log.discard(id);
    this.#sdk.closeSSEStream(id as SdkId);
    // The SDK forgets the request only when it is answered; this answer is not sent, since the stream is closed.
    this.#sdk.send({ jsonrpc: "2.0", id: id as SdkId, result: {} }).catch(() => {}).finally(() =>
      this.#inFlight.answered(id)
    );
  }

  close(): Promise<void> {
    return this.#sdk.close();
  }

  #watch(body: ReadableStream<Uint8Array>, request: Request, exchange: HttpExchange) {
    const listeners = request.method === "GET" ? 1 : 0;
    if (this.#streams++ === 0) this.#log.isAttended = true;
    this.#listeners += listeners;
    let cut = false;
    exchange.completed.then(() => cut || this.#delivered(exchange.body), () => {});
    return meteredStream(body, {
      maxQueuedBytes: this.#maxQueuedBytes,
      budget: this.#budget,
      completed: exchange.completed,
      onBytes: (bytes) => this.bytesOut += bytes,
      onEnd: (wasCut) => {
        cut = wasCut;
        if (--this.#streams === 0) this.#log.isAttended = false;
        this.#listeners -= listeners;
      },
    });
  }

  /** The rest of a stream that has ended. 204 tells a client not to reconnect. */
  #finished(missed: readonly LoggedEvent[], request: Request, exchange: HttpExchange): Response {
    if (missed.length === 0) return new Response(null, { status: 204 });
    const headers = { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform" };
    return new Response(this.#watch(eventStream(missed), request, exchange), { headers });
  }

  #delivered(body: unknown): void {
    const messages =
      (Array.isArray(body) ? body : [body]) as ({ id?: RequestId; method?: string } | undefined)[];
    for (const message of messages) {
      if (message?.id !== undefined && message.method !== undefined) this.#log.delivered(message.id);
    }
  }
}

/** The events as text, serialized as they are read. */
function eventStream(events: readonly LoggedEvent[]): ReadableStream<Uint8Array> {
  const texts = events.values().map(({ id, message }) =>
    `id: ${id}\nevent: message\ndata: ${JSON.stringify(message)}\n\n`
  );
  return ReadableStream.from(texts).pipeThrough(new TextEncoderStream());
}

/** `stream` with the errors for `duplicates` before it. */
function withPrefix(
  duplicates: readonly RequestId[],
  stream: ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> {
  const events = duplicates.map((id) => `event: message\ndata: ${JSON.stringify(duplicateError(id))}\n\n`)
    .join("");
  const head = new TextEncoder().encode(events);
  return stream.pipeThrough(
    new TransformStream(
      {
        start: (controller) => controller.enqueue(head),
      },
      undefined,
      { highWaterMark: 1 },
    ),
  );
}

function duplicateErrors(duplicates: readonly RequestId[]): Response {
  const refusals = duplicates.map(duplicateError);
  const { http: status } = CODES.INVALID_REQUEST;
  return Response.json(refusals.length === 1 ? refusals[0] : refusals, { status });
}

function duplicateError(id: RequestId): RpcResponse {
  return responseTo(id, { error: toRpcError(idInUse(id)) });
}

function isEventStream(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("text/event-stream") === true;
}
