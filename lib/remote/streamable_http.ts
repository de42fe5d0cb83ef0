import type { UrlServerConfig } from "../config/server_config.ts";
import { SECOND_MS } from "../base/units.ts";
import { isRequest, type RequestId, type RpcMessage } from "../wire/rpc.ts";
import type { ServerAuthorization } from "./authorization.ts";
import type { ServerFetch } from "./bounded_fetch.ts";
import { HttpStatusError } from "./http_errors.ts";
import { messageKind, MessageRefusals } from "./message_refusals.ts";
import { RemoteTransport } from "./remote_transport.ts";
import { cancelledRequest } from "./server_endpoint.ts";
import {
  isOwnResponse,
  type RefusedMessage,
  type SessionCheck,
  sessionErrorIn,
  SessionProbe,
  sessionVerdict,
} from "./session_loss.ts";
import { StandaloneStream } from "./standalone_stream.ts";
import { UnexplainedLosses } from "./unexplained_losses.ts";

/** How long the request that ends the session may take. */
const DELETE_TIMEOUT_MS = SECOND_MS;

/** Shared by all connections: what one has found out, the next must know. */
const messageRefusals = new MessageRefusals();
const unexplainedLosses = new UnexplainedLosses();

type Refused = RefusedMessage & { kind: string };

/**
 * Streamable HTTP (MCP basic/transports). The SDK's own transport gives up a stream after two attempts, does not report
 * an answer that never comes because its stream was cut, and drops malformed answers.
 */
export class StreamableHttp extends RemoteTransport {
  readonly #url: string;
  readonly #probe: SessionProbe;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;
  #standalone: StandaloneStream | undefined;

  constructor(config: UrlServerConfig, fetch: ServerFetch, authorization?: ServerAuthorization) {
    super(config, fetch, authorization);
    this.#url = config.url;
    this.#probe = new SessionProbe(this.endpoint, config.startTimeoutMs);
  }

  get listening(): string | undefined {
    return this.#standalone?.state;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Sends `message`; for a request, settles when its answer has been passed on.
   *
   * @throws {SessionLostError} it did not run
   * @throws {ResponseCutError} it may have run
   * @throws {HttpStatusError} any other refusal
   */
  async send(message: RpcMessage): Promise<void> {
    if (this.#closing.signal.aborted) throw new Error(this.describeEnd());
    const method = "method" in message ? message.method : undefined;
    const id = isRequest(message) ? message.id : undefined;
    // The answer to `initialize` carries the id of a new session.
    if (method === "initialize") this.endpoint.sessionId = undefined;
    const cancelled = cancelledRequest(message);
    // The request ends even if the server no longer accepts its cancellation.
    if (cancelled !== undefined) this.endpoint.cancelSoon(cancelled);
    try {
      await this.endpoint.post(
        message,
        undefined,
        (response, signal) => this.#take(response, { id, signal }),
      );
    } catch (thrown) {
      if (method === "initialize" || !(thrown instanceof HttpStatusError)) throw thrown;
      await this.#refused(thrown, { id, method, kind: messageKind(this.#url, message) });
    }
    if (id !== undefined) {
      messageRefusals.accepted(message, this.#url);
      unexplainedLosses.accepted(message, this.#url, this);
    }
    if (method === "notifications/initialized") this.#listen();
    else this.#standalone?.retryNow();
    if (cancelled !== undefined) this.endpoint.cancel(cancelled);
  }

  /** Resolves when the server has been notified of the end of the session. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    this.endpoint.close();
    this.onclose?.();
    await this.#deleteSession();
  }

  async #take(
    response: Response,
    { id, signal }: { id: RequestId | undefined; signal: AbortSignal },
  ): Promise<void> {
    this.endpoint.sessionId = response.headers.get("mcp-session-id") ?? this.endpoint.sessionId;
    const { status, body } = response;
    if (id === undefined || body === null || status === 202 || status === 204) {
      await body?.cancel();
      // Some servers accept a request with 202 and answer it on their standalone stream.
      const isAnsweredThere = status === 202 && this.#standalone?.state === "open";
      if (id !== undefined && !isAnsweredThere) {
        this.answerMalformed(id, `it has no body (HTTP status ${status})`);
      }
      return;
    }
    await this.takeAnswer(response, {
      id,
      signal,
      check: (text) => this.#checkSession(text, response),
      reopen: (lastEventId) => this.endpoint.openStream(lastEventId, signal),
    });
  }

  #listen(): void {
    if (this.#closing.signal.aborted) return;
    const { signal } = this.#closing;
    this.#standalone = new StandaloneStream({
      open: (lastEventId) => this.endpoint.openStream(lastEventId, signal),
      onEvent: ({ event, data }) => {
        return event === "message" && data !== "" ? this.reader.take(data) : false;
      },
      onResumed: () => this.onresumed?.(),
      onSessionLost: (refusal) => this.lose(refusal),
      check: (refusal) => this.#checkUnexplained(refusal, { id: undefined, method: undefined, kind: "GET" }),
      onFatal: (error) => {
        this.endReason ??= error.message;
        void this.close();
      },
      onError: (thrown) => this.onerror?.(thrown instanceof Error ? thrown : new Error(String(thrown))),
      signal,
      hasSession: this.endpoint.sessionId !== undefined,
    });
    void this.#standalone.run();
  }

  /** @throws {HttpStatusError} the answer says that the session is unknown, or something like it */
  #checkSession(text: string, response: Response): void {
    const refusal = sessionErrorIn(text, response);
    if (refusal) throw refusal;
  }

  /** Whether a refusal that speaks of the session means that it is lost, and not something the message asks for. */
  async #isLoss(refusal: HttpStatusError, refused: Refused): Promise<boolean> {
    if (refused.id === undefined || this.isLost || this.#closing.signal.aborted) return true;
    if (await this.#probe.check(refusal, refused) !== "alive") return true;
    refusal.isAboutMessage = !this.isLost && messageRefusals.isAboutMessage(refused.kind, this);
    return !refusal.isAboutMessage;
  }

  /** Checks the session after a refusal that does not speak of it. */
  async #checkUnexplained(refusal: HttpStatusError, refused: Refused): Promise<SessionCheck> {
    if (!unexplainedLosses.mayProbe(this.#url)) return "alive";
    const found = await this.#probe.check(refusal, refused);
    return found === "alive" || unexplainedLosses.isLoss(this.#url, this, refused.kind) ? found : "alive";
  }

  /** Passes a refusal on as the answer where it is one, and throws it otherwise. */
  async #refused(refusal: HttpStatusError, refused: Refused): Promise<void> {
    const hasSession = this.endpoint.sessionId !== undefined;
    const verdict = sessionVerdict(refusal, { id: refused.id, hasSession });
    if (verdict === "lost" && await this.#isLoss(refusal, refused)) throw this.lose(refusal);
    const isUnexplained = verdict === "unexplained" && refused.id !== undefined;
    if ((verdict === "possible" || isUnexplained) && !this.#closing.signal.aborted) {
      const found = await (isUnexplained
        ? this.#checkUnexplained(refusal, refused)
        : this.#probe.check(refusal, refused));
      if (found !== "alive") {
        const lost = this.lose(refusal);
        if (found === "lost") {
          throw lost;
        }
      }
    }
    if (!isOwnResponse(refusal, refused)) throw refusal;
    await this.reader.take(refusal.body, refused.id);
  }

  /** Ends the session at the server (MCP basic/transports, session management), which could only let it expire. */
  async #deleteSession(): Promise<void> {
    if (this.endpoint.sessionId === undefined || this.isLost) return;
    const signal = AbortSignal.timeout(DELETE_TIMEOUT_MS);
    await this.endpoint.fetch({ method: "DELETE", signal }).then((it) => it.body?.cancel(), () => {});
  }
}
