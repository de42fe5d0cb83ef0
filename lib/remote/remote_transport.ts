import type { UrlServerConfig } from "../config/server_config.ts";
import type { UpstreamTransport } from "../transport/upstream_transport.ts";
import type { RequestId, RpcMessage } from "../wire/rpc.ts";
import { malformedAnswer } from "../wire/server_message.ts";
import type { ServerAuthorization } from "./authorization.ts";
import type { ServerFetch } from "./bounded_fetch.ts";
import { bodyError, type HttpStatusError, SessionLostError } from "./http_errors.ts";
import { MessageReader } from "./message_reader.ts";
import { ResponseStream } from "./response_stream.ts";
import { ServerEndpoint } from "./server_endpoint.ts";

interface AwaitedAnswer {
  /** The request that the response should answer. */
  id: RequestId;
  signal: AbortSignal;
  /** Throws if the text of a message before the answer, or of the answer, is none to pass on. */
  check?(text: string): void;
  /** Opens the stream again after the event `lastEventId`; left out where streams cannot be resumed. */
  reopen?(lastEventId: string): Promise<Response>;
}

/** What the transports of servers behind a URL share. */
export abstract class RemoteTransport implements UpstreamTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: UpstreamTransport["onmessage"];
  onlost?: (why: string) => void;
  onresumed?: () => void;
  protected readonly endpoint: ServerEndpoint;
  protected readonly reader: MessageReader;
  /** The server's name, for messages. */
  protected readonly server: string;
  protected isLost = false;
  /** Why the connection has ended, if not by {@linkcode close}. */
  protected endReason: string | undefined;

  constructor(config: UrlServerConfig, fetch: ServerFetch, authorization?: ServerAuthorization) {
    this.server = config.title;
    this.endpoint = new ServerEndpoint(config, { fetch, authorization });
    this.reader = new MessageReader({
      server: config.title,
      onMessage: (message, about) => this.receive(message, about),
      onRefused: (answer) => void this.send(answer).catch(() => {}),
      onError: (error) => this.onerror?.(error),
    });
  }

  abstract start(): Promise<void>;
  abstract send(message: RpcMessage): Promise<void>;
  abstract close(): Promise<void>;

  setProtocolVersion(revision: string): void {
    this.endpoint.revision = revision;
  }

  describeEnd(): string {
    return this.endReason ?? "it was stopped";
  }

  /** @param about the request in whose response the message came */
  protected receive(message: RpcMessage, about?: RequestId): void {
    this.onmessage?.(message, { about });
  }

  /**
   * Passes on what a response to a request holds: JSON, or a stream that ends with the answer.
   *
   * @throws {ResponseCutError} it ended without the answer: the request may have run
   */
  protected async takeAnswer(response: Response, options: AwaitedAnswer): Promise<void> {
    const { id, signal, check } = options;
    const { body } = response;
    const type = response.headers.get("content-type") ?? "";
    if (body !== null && /^\s*text\/event-stream\b/i.test(type)) return await this.#takeStream(body, options);
    if (!/^\s*application\/(?:[\w.-]+\+)?json\b/i.test(type)) {
      await body?.cancel();
      const given = type === "" ? "not given" : JSON.stringify(type);
      return this.answerMalformed(id, `its content type is ${given}`);
    }
    const text = await response.text().catch((thrown) => {
      throw bodyError(thrown, signal);
    });
    check?.(text);
    if (!await this.reader.take(text, id)) this.answerMalformed(id, "it holds no response to the request");
  }

  async #takeStream(
    body: NonNullable<Response["body"]>,
    { id, signal, check, reopen }: AwaitedAnswer,
  ): Promise<void> {
    let isAnswered = false;
    const answered = (is: boolean) => {
      if (is) this.endpoint.cancelSoon(id);
      isAnswered ||= is;
      return is;
    };
    const onMessage = (text: string) => {
      if (!isAnswered) check?.(text);
      const taken = this.reader.take(text, id);
      return typeof taken === "boolean" ? answered(taken) : taken.then(answered);
    };
    await new ResponseStream({ reopen, onMessage, signal }).read(body);
  }

  protected answerMalformed(id: RequestId, what: string): void {
    this.onmessage?.({ jsonrpc: "2.0", id, error: malformedAnswer(what, this.server) });
  }

  /** Reports once that the server does not know the session. Requests under way may still be answered. */
  protected lose(refusal: HttpStatusError): SessionLostError {
    const error = new SessionLostError(refusal);
    if (!this.isLost) this.onlost?.(error.message);
    this.isLost = true;
    return error;
  }
}
