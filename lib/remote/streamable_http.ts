import { delay } from "@std/async/delay";
import type { UrlServerConfig } from "../config/server_config.ts";
import { SECOND_MS } from "../base/units.ts";
import { isRequest, type RequestId, type RpcMessage } from "../wire/rpc.ts";
import { malformedAnswer } from "../wire/server_message.ts";
import type { ServerFetch } from "./bounded_fetch.ts";
import type { UpstreamTransport } from "../transport/upstream_transport.ts";
import { ServerEndpoint, withdrawnBy } from "./server_endpoint.ts";
import { eventsOf } from "./server_events.ts";
import { cut, HttpStatusError, ResponseCutError, SessionLostError } from "./errors.ts";
import { StandaloneStream } from "./standalone_stream.ts";
import { kindOf, OwnRefusals } from "./own_refusals.ts";
import { MessageReader } from "./message_reader.ts";
import {
  isOwnAnswer,
  refusalIn,
  type Refused,
  type SessionCheck,
  SessionProbe,
  sessionVerdict,
} from "./session_loss.ts";
import { UnsaidLosses } from "./unsaid_losses.ts";

/** How long the server may take to hear that its session is over. */
const FAREWELL_MS = SECOND_MS;
/** How often in a row a stream that was cut before its answer is taken up again in vain. */
const MAX_RESUMES = 6;
const RESUME_PAUSE_MS = SECOND_MS / 2;
/** Between two streams at least, whatever the server says. */
const MIN_RESUME_PAUSE_MS = SECOND_MS / 5;
/** How often the stream of one request is taken up again, be it that something has come on each. */
const MAX_RESUMES_IN_ALL = 1000;

/** Of all connections: what one has found out the next must know. */
const ownRefusals = new OwnRefusals();
const unsaidLosses = new UnsaidLosses();

/**
 * Streamable HTTP (MCP basic/transports). The SDK's own transport gives its stream up after two tries, does not say
 * when an answer will never come because its stream was cut, and drops malformed answers; this one does none of these.
 */
export class StreamableHttp implements UpstreamTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: UpstreamTransport["onmessage"];
  onlost?: (why: string) => void;
  onresumed?: () => void;
  readonly #endpoint: ServerEndpoint;
  readonly #server: string;
  readonly #url: string;
  readonly #reader: MessageReader;
  readonly #probe: SessionProbe;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;
  #listening: StandaloneStream | undefined;
  #isLost = false;
  #end: string | undefined;

  constructor(config: UrlServerConfig, fetch: ServerFetch) {
    this.#server = config.title;
    this.#url = config.url;
    this.#endpoint = new ServerEndpoint(config, fetch);
    this.#probe = new SessionProbe(this.#endpoint, config.startTimeoutMs);
    this.#reader = new MessageReader({
      server: config.title,
      onmessage: (message, about) => this.onmessage?.(message, { about }),
      onrefused: (answer) => void this.send(answer).catch(() => {}),
      onerror: (error) => this.onerror?.(error),
    });
  }

  get listening(): string | undefined {
    return this.#listening?.state;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Sends `message`; of a request, settles when its answer has been passed on.
   *
   * @throws {SessionLostError} it did not run; {@linkcode ResponseCutError} it may have; {@linkcode HttpStatusError} any other refusal
   */
  async send(message: RpcMessage): Promise<void> {
    if (this.#closing.signal.aborted) throw new Error(this.describeEnd());
    const method = "method" in message ? message.method : undefined;
    const id = isRequest(message) ? message.id : undefined;
    // A server that is asked to initialize anew gives another session.
    if (method === "initialize") this.#endpoint.sessionId = undefined;
    // A server that takes no word of it any more has its request ended all the same.
    const withdrawn = withdrawnBy(message);
    if (withdrawn !== undefined) this.#endpoint.cancelSoon(withdrawn);
    try {
      await this.#endpoint.post(
        message,
        undefined,
        (response, signal) => this.#take(response, { id, signal }),
      );
    } catch (thrown) {
      if (method === "initialize" || !(thrown instanceof HttpStatusError)) throw thrown;
      await this.#refused(thrown, { id, method, kind: kindOf(this.#url, message) });
    }
    if (id !== undefined) {
      ownRefusals.taken(message, this.#url);
      unsaidLosses.taken(message, this.#url, this);
    }
    if (method === "notifications/initialized") this.#listen();
    else this.#listening?.nudge();
    if (withdrawn !== undefined) this.#endpoint.cancel(withdrawn);
  }

  setProtocolVersion(revision: string): void {
    this.#endpoint.revision = revision;
  }

  describeEnd(): string {
    return this.#end ?? "it was stopped";
  }

  /** Resolves when the session has been given back, for whoever closes it. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    this.#endpoint.close();
    this.onclose?.();
    await this.#sayFarewell();
  }

  async #take(
    response: Response,
    { id, signal }: { id: RequestId | undefined; signal: AbortSignal },
  ): Promise<void> {
    this.#endpoint.sessionId = response.headers.get("mcp-session-id") ?? this.#endpoint.sessionId;
    const { status, body } = response;
    if (id === undefined || body === null || status === 202 || status === 204) {
      await body?.cancel();
      // Some servers take a request with 202 and answer it on their own stream.
      const comesElsewhere = status === 202 && this.#listening?.state === "open";
      if (id !== undefined && !comesElsewhere) {
        this.#answerMalformed(id, `it has no body (HTTP status ${status})`);
      }
      return;
    }
    const type = response.headers.get("content-type") ?? "";
    if (/^\s*text\/event-stream\b/i.test(type)) return await this.#follow(response, { id, signal });
    if (!/^\s*application\/(?:[\w.-]+\+)?json\b/i.test(type)) {
      await body.cancel();
      return this.#answerMalformed(
        id,
        `its content type is ${type === "" ? "not given" : JSON.stringify(type)}`,
      );
    }
    const text = await response.text().catch((thrown) => {
      throw cut(thrown, signal);
    });
    this.#checkSession(text, response);
    if (!await this.#reader.take(text, id)) this.#answerMalformed(id, "it holds no response to the request");
  }

  /** Reads the stream of one request to its answer; one that is cut before is taken up again where that is possible. */
  async #follow(response: Response, { id, signal }: { id: RequestId; signal: AbortSignal }): Promise<void> {
    let body = response.body;
    let lastEventId: string | undefined;
    let retryMs = RESUME_PAUSE_MS;
    for (let resumes = 0, inAll = 0;; resumes++, inAll++) {
      let isAnswered = false;
      const onretry = (ms: number) => retryMs = Math.max(MIN_RESUME_PAUSE_MS, Math.min(ms, 30 * SECOND_MS));
      try {
        for await (const { event, data, id: eventId } of eventsOf(body!, { onretry, signal })) {
          if (eventId) lastEventId = eventId;
          if (event !== "message" || data === "") continue;
          resumes = 0;
          if (!isAnswered) this.#checkSession(data, response);
          const taken = this.#reader.take(data, id);
          if (!(typeof taken === "boolean" ? taken : await taken)) continue;
          isAnswered = true;
          this.#endpoint.cancelSoon(id);
        }
      } catch (thrown) {
        if (isAnswered) return;
        const failure = cut(thrown, signal);
        if (!(failure instanceof ResponseCutError) || lastEventId === undefined) throw failure;
      }
      if (isAnswered) return;
      if (lastEventId === undefined) {
        throw new ResponseCutError("the stream of its answer ended without an answer");
      }
      const isTooOften = inAll >= MAX_RESUMES_IN_ALL;
      body = await this.#resume(lastEventId, {
        signal,
        resumes: isTooOften ? MAX_RESUMES : resumes,
        pauseMs: retryMs,
      });
    }
  }

  async #resume(
    lastEventId: string,
    { signal, resumes, pauseMs }: { signal: AbortSignal; resumes: number; pauseMs: number },
  ): Promise<Response["body"]> {
    let last: unknown;
    for (let attempt = resumes; attempt < MAX_RESUMES; attempt++) {
      await delay(pauseMs * 1.5 ** attempt, { signal });
      try {
        return (await this.#endpoint.openStream(lastEventId, signal)).body;
      } catch (thrown) {
        if (thrown instanceof HttpStatusError && thrown.status < 500) {
          throw new ResponseCutError(
            `the stream of its answer was cut and cannot be taken up: ${thrown.message}`,
            thrown,
          );
        }
        last = thrown;
      }
    }
    throw new ResponseCutError("the stream of its answer was cut again and again", last);
  }

  #listen(): void {
    if (this.#closing.signal.aborted) return;
    const { signal } = this.#closing;
    this.#listening = new StandaloneStream({
      open: (lastEventId) => this.#endpoint.openStream(lastEventId, signal),
      onevent: ({ event, data }) => {
        return event === "message" && data !== "" ? this.#reader.take(data) : false;
      },
      onresumed: () => this.onresumed?.(),
      onlost: (refusal) => this.#lose(refusal),
      look: (refusal) => this.#unsaidLoss(refusal, { id: undefined, method: undefined, kind: "GET" }),
      onfatal: (error) => {
        this.#end ??= error.message;
        void this.close();
      },
      onerror: (thrown) => this.onerror?.(thrown instanceof Error ? thrown : new Error(String(thrown))),
      signal,
      hasSession: this.#endpoint.sessionId !== undefined,
    });
    void this.#listening.run();
  }

  /** @throws {HttpStatusError} the answer says that the session is not known, or something like it */
  #checkSession(text: string, response: Response): void {
    const refusal = refusalIn(text, response);
    if (refusal) throw refusal;
  }

  /** Whether a refusal is about the session: it is lost, or this is the first message that is refused so. */
  async #isLoss(refusal: HttpStatusError, refused: Refused & { kind: string }): Promise<boolean> {
    if (refused.id === undefined || this.#isLost || this.#closing.signal.aborted) return true;
    if (await this.#probe.look(refusal, refused) !== "kept") return true;
    refusal.isAboutMessage = !this.#isLost && ownRefusals.isOwn(refused.kind, this);
    return !refusal.isAboutMessage;
  }

  /** The same of one that says nothing of the session, as {@linkcode SessionProbe.look} has it. */
  async #unsaidLoss(refusal: HttpStatusError, refused: Refused & { kind: string }): Promise<SessionCheck> {
    if (!unsaidLosses.mayAsk(this.#url)) return "kept";
    const found = await this.#probe.look(refusal, refused);
    return found === "kept" || unsaidLosses.isLoss(this.#url, this, refused.kind) ? found : "kept";
  }

  /** Passes a refusal on as the answer where it is one. */
  async #refused(refusal: HttpStatusError, refused: Refused & { kind: string }): Promise<void> {
    const hasSession = this.#endpoint.sessionId !== undefined;
    const verdict = sessionVerdict(refusal, { id: refused.id, hasSession });
    if (verdict === "lost" && await this.#isLoss(refusal, refused)) throw this.#lose(refusal);
    const isUnsaid = verdict === "unsaid" && refused.id !== undefined;
    if ((verdict === "perhaps" || isUnsaid) && !this.#closing.signal.aborted) {
      const found =
        await (isUnsaid ? this.#unsaidLoss(refusal, refused) : this.#probe.look(refusal, refused));
      const lost = found === "kept" ? undefined : this.#lose(refusal);
      if (lost && found === "same") throw lost;
    }
    if (!isOwnAnswer(refusal, refused)) throw refusal;
    await this.#reader.take(refusal.body, refused.id);
  }

  /** What is under way may still be answered; nothing new is sent. */
  #lose(refusal: HttpStatusError): SessionLostError {
    const lost = new SessionLostError(refusal);
    if (!this.#isLost) this.onlost?.(lost.message);
    this.#isLost = true;
    return lost;
  }

  #answerMalformed(id: RequestId, what: string): void {
    this.onmessage?.({ jsonrpc: "2.0", id, error: malformedAnswer(what, this.#server) });
  }

  /** Tells the server that the session is over, so that it need not keep it until it runs out. */
  async #sayFarewell(): Promise<void> {
    if (this.#endpoint.sessionId === undefined || this.#isLost) return;
    const signal = AbortSignal.timeout(FAREWELL_MS);
    await this.#endpoint.fetch({ method: "DELETE", signal }).then((it) => it.body?.cancel(), () => {});
  }
}
