// @ts-types="@modelcontextprotocol/sdk/server/webStandardStreamableHttp"
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { ByteBudget } from "../base/byte_budget.ts";
import { SECOND_MS } from "../base/units.ts";
import { CODES, idInUse, toRpcError } from "../wire/codes.ts";
import { type RequestRef, responseText } from "../wire/message_text.ts";
import type { RawMessage } from "../wire/raw_message.ts";
import type { RequestId } from "../wire/rpc.ts";
import { EventLog, type EventLogLimits, opensStandalone } from "./event_log.ts";
import { eventStream, eventText, withPrefix } from "./http_events.ts";
import { meteredStream } from "./http_stream.ts";
import { RequestsInFlight } from "./requests_in_flight.ts";
import { numberOfStub, SdkMessage, stubsOf } from "./sdk_messages.ts";
import type { LoggedEvent } from "./stream_events.ts";
import { type OwnQuestion, WaitingQuestions } from "./waiting_questions.ts";

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
  /** What a POST holds, as it came. */
  messages?: readonly RawMessage[];
  /** The size of its body in bytes. */
  bodyBytes?: number;
  /** Resolves when the response has been passed to the system; rejects when the client is gone. */
  completed: Promise<void>;
}

/** The reconnection time sent to clients. */
const RETRY_MS = SECOND_MS;

/**
 * The server's end of one Streamable HTTP session (MCP basic/transports), on the SDK's transport. Adds what that
 * leaves to its user: a stream that is not read is cut, answers are kept until they are delivered, a stream that has
 * ended is not opened again. The SDK sees numbers in place of ids, and no more of the messages: they pass as they came.
 */
export class HttpServerTransport {
  onmessage?: (message: RawMessage) => void;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  bytesIn = 0;
  bytesOut = 0;
  /** Resolves when the session has ended. */
  readonly closed: Promise<void>;
  readonly #sdk: WebStandardStreamableHTTPServerTransport;
  /** Messages that the SDK is about to pass on, by their numbers. */
  readonly #posted = new Map<number, RawMessage>();
  readonly #log: EventLog;
  readonly #inFlight = new RequestsInFlight();
  /** Requests to the client that belong to none of its own, while it reads no stream. */
  readonly #waiting: WaitingQuestions;
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
    this.#waiting = new WaitingQuestions(this.#budget);
    this.#sdk = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: options.newSessionId,
      eventStore: this.#log,
      retryInterval: RETRY_MS,
    });
    writeTexts(this.#sdk);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#sdk.onmessage = (stub) => this.onmessage?.(this.#posted.get(numberOfStub(stub))!);
    this.#sdk.onerror = (error) => this.onerror?.(error);
    this.#sdk.onclose = () => {
      this.#log.clear();
      this.#waiting.take();
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
    const resumption = lastEventId === null ? undefined : this.#log.resume(lastEventId);
    if (resumption?.kind === "over") return this.#finished(resumption.missed, request, exchange);
    const { messages, duplicates } = this.#inFlight.admit(exchange.messages ?? []);
    if (duplicates.length > 0 && messages.size === 0) return duplicateErrors(duplicates);
    const response = await this.#pass(request, messages);
    if (response.body === null || !isEventStream(response)) {
      for (const message of messages.values()) {
        if (message.kind === "request") this.#inFlight.take(message.id);
      }
      return response.ok && duplicates.length > 0 ? duplicateErrors(duplicates) : response;
    }
    const { status, headers } = response;
    const stream = this.#watch(response.body, request, { ...exchange, numbers: [...messages.keys()] });
    for (const question of this.#waiting.take()) {
      this.#ask(question).catch((thrown) => this.onerror?.(thrown));
    }
    return new Response(duplicates.length > 0 ? withErrors(duplicates, stream) : stream, { status, headers });
  }

  /** Has the SDK handle `request`, which holds `messages`. */
  async #pass(request: Request, messages: ReadonlyMap<number, RawMessage>): Promise<Response> {
    for (const [number, message] of messages) this.#posted.set(number, message);
    this.#opening++;
    try {
      const parsedBody = messages.size > 0 ? stubsOf(messages) : undefined;
      return await this.#sdk.handleRequest(request, { parsedBody });
    } finally {
      this.#opening--;
      for (const number of messages.keys()) this.#posted.delete(number);
    }
  }

  /**
   * Sends the response `text` on the stream of its request.
   *
   * @throws {Error} when the request has been answered, or the session has ended
   */
  async respond({ id, idText }: RequestRef, text: string): Promise<void> {
    const number = this.#inFlight.take(id);
    if (number === undefined) throw new Error(`the request ${idText} waits for no answer`);
    await this.#send(SdkMessage.response({ number, idText, text }));
  }

  /**
   * Sends a notification on the stream of the request it belongs to, or on the standalone stream if it belongs to none
   * or that one has been answered.
   */
  async notify(method: string, text: string, relatedTo?: RequestId): Promise<void> {
    await this.#send(SdkMessage.other(method, text), this.#numberOf(relatedTo));
  }

  /**
   * Sends a request as {@linkcode notify} does. Where the client has no standalone stream, one that belongs to none of
   * its requests goes on the stream of the latest of these that it reads, or waits until it reads one: clients need not
   * open any but those of their requests, and nobody else reads what is sent there.
   */
  async ask(question: OwnQuestion, relatedTo?: RequestId): Promise<void> {
    const number = this.#numberOf(relatedTo);
    if (number === undefined) await this.#ask(question);
    else await this.#send(SdkMessage.other(question.method, question.text), number);
  }

  async #ask(question: OwnQuestion): Promise<void> {
    const number = this.listening ? undefined : this.#inFlight.latestRead;
    if (!this.listening && number === undefined) this.#waiting.add(question);
    else await this.#send(SdkMessage.other(question.method, question.text), number);
  }

  /** Takes back the question `id`; false when the client may have got it. */
  withdraw(id: RequestId | undefined): boolean {
    return id !== undefined && this.#waiting.withdraw(id);
  }

  #numberOf(relatedTo: RequestId | undefined): number | undefined {
    return relatedTo === undefined ? undefined : this.#inFlight.numberOf(relatedTo);
  }

  async #send(message: SdkMessage, relatedRequestId?: number): Promise<void> {
    type Sent = Parameters<WebStandardStreamableHTTPServerTransport["send"]>[0];
    await this.#sdk.send(message as unknown as Sent, { relatedRequestId });
  }

  /**
   * Ends the stream of a cancelled request, which gets no answer. A client that resumes it is told that nothing
   * follows.
   */
  abandon(id: RequestId): void {
    const number = this.#inFlight.take(id);
    if (number === undefined) return;
    this.#log.discard(number);
    this.#sdk.closeSSEStream(number);
    // The SDK forgets the request only when it is answered; this answer is not sent, since the stream is closed.
    this.#send(SdkMessage.response({ number, idText: "", text: "" })).catch(() => {});
  }

  close(): Promise<void> {
    return this.#sdk.close();
  }

  #watch(
    body: ReadableStream<Uint8Array>,
    request: Request,
    exchange: Pick<HttpExchange, "completed"> & { numbers?: readonly number[] },
  ) {
    const { numbers = [] } = exchange;
    const listeners = opensStandalone(request) ? 1 : 0;
    if (this.#streams++ === 0) this.#log.isAttended = true;
    this.#listeners += listeners;
    this.#inFlight.read(numbers, true);
    let cut = false;
    exchange.completed.then(() => cut || this.#delivered(numbers), () => {});
    return meteredStream(body, {
      maxQueuedBytes: this.#maxQueuedBytes,
      budget: this.#budget,
      completed: exchange.completed,
      onBytes: (bytes) => this.bytesOut += bytes,
      onEnd: (wasCut) => {
        cut = wasCut;
        if (--this.#streams === 0) this.#log.isAttended = false;
        this.#listeners -= listeners;
        this.#inFlight.read(numbers, false);
      },
    });
  }

  /** The rest of a stream that has ended. 204 tells a client not to reconnect. */
  #finished(missed: readonly LoggedEvent[], request: Request, exchange: HttpExchange): Response {
    if (missed.length === 0) return new Response(null, { status: 204 });
    const headers = { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform" };
    return new Response(this.#watch(eventStream(missed), request, exchange), { headers });
  }

  #delivered(numbers: readonly number[]): void {
    for (const number of numbers) this.#log.delivered(number);
  }
}

/** Has `sdk` write the text of a message, and not the message anew: it has no hook for that. */
function writeTexts(sdk: WebStandardStreamableHTTPServerTransport): void {
  Object.assign(sdk, {
    writeSSEEvent(
      controller: ReadableStreamDefaultController<Uint8Array>,
      encoder: TextEncoder,
      { text }: SdkMessage,
      id: string,
    ): boolean {
      try {
        controller.enqueue(encoder.encode(eventText(text, id)));
        return true;
      } catch (thrown) {
        sdk.onerror?.(thrown as Error);
        return false;
      }
    },
  });
}

/** `stream` with the errors for `duplicates` before it. */
function withErrors(
  duplicates: readonly RequestRef[],
  stream: ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> {
  return withPrefix(duplicates.map((ref) => eventText(duplicateError(ref))).join(""), stream);
}

function duplicateErrors(duplicates: readonly RequestRef[]): Response {
  const refusals = duplicates.map(duplicateError);
  const { http: status } = CODES.INVALID_REQUEST;
  const body = refusals.length === 1 ? refusals[0] : `[${refusals.join(",")}]`;
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}

function duplicateError({ id, idText }: RequestRef): string {
  return responseText(idText, { error: toRpcError(idInUse(id)) });
}

function isEventStream(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("text/event-stream") === true;
}
