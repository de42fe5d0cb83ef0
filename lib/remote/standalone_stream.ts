import { delay } from "@std/async/delay";
import { type ErrorCode, ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { eventsOf, type ServerEvent } from "./server_events.ts";
import { HttpStatusError, isAboutSession, StreamTimeoutError } from "./http_errors.ts";
import type { SessionCheck } from "./session_loss.ts";

const MIN_PAUSE_MS = SECOND_MS;
const MAX_PAUSE_MS = 30 * SECOND_MS;
const PAUSE_FACTOR = 1.5;
/** A stream that lasted this long was stable: the next pause is the shortest again. */
const STABLE_MS = 10 * SECOND_MS;
/** After an answer to another request the stream is opened without a pause, but not more often than this. */
const MIN_RETRY_MS = SECOND_MS;

/** HTTP status of a server without a standalone stream (MCP basic/transports, listening for messages). */
const NO_STREAM = 405;

/** What a stream fails with that is not authorized, or cannot be at the moment. */
const WITHOUT_RIGHT: ReadonlySet<ErrorCode> = new Set(["LOGIN_REQUIRED", "UPSTREAM_UNAVAILABLE"]);

/** State of the stream, as `ps` shows it. */
type StandaloneStreamState = "opening" | "open" | "waiting" | "none";

/** What follows after one stream has ended: nothing, another at once, or another after a pause. */
type NextStep = "stop" | "reopen" | "pause";

export interface StandaloneStreamOptions {
  /** Opens the stream, after the event `lastEventId` if there was one. */
  open(lastEventId: string | undefined): Promise<Response>;
  /** Takes one event. The next one waits for the promise, if there is one. */
  onEvent(event: ServerEvent): unknown;
  /** Called when the stream is open again: what was sent meanwhile is lost. */
  onResumed(): void;
  /** Called when the server refuses the stream because it no longer knows the session. */
  onSessionLost(refusal: HttpStatusError): void;
  /** Checks whether a refusal without a reason is about the session. */
  check(refusal: HttpStatusError): Promise<SessionCheck>;
  /** Called with an error after which the stream cannot be opened again. */
  onFatal(error: ExaiError): void;
  onError(error: unknown): void;
  /** Aborted when the connection is closed. */
  signal: AbortSignal;
  hasSession: boolean;
}

/**
 * Keeps the stream open on which a server sends what belongs to no request (MCP basic/transports, listening
 * for messages), for as long as the connection lasts. The SDK gives up after two attempts; this one also
 * returns after an outage of minutes.
 */
export class StandaloneStream {
  state: StandaloneStreamState = "opening";
  readonly #options: StandaloneStreamOptions;
  #pauseMs = MIN_PAUSE_MS;
  #retryMs: number | undefined;
  #lastEventId: string | undefined;
  /** Whether the stream has been open in this session. */
  #wasOpen = false;
  #openedAtMs = 0;
  #wake: AbortController | undefined;

  constructor(options: StandaloneStreamOptions) {
    this.#options = options;
  }

  /** Reads until the connection is closed or the server says that it has no such stream. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      this.#openedAtMs = performance.now();
      const next = await this.#readOnce(isFirst);
      if (next === "stop" || signal.aborted) break;
      this.state = "waiting";
      if (next === "pause") await this.#pause();
    }
    this.state = "none";
  }

  /** Shortens a pause: the server has just answered another request. */
  retryNow(): void {
    if (this.state === "waiting" && performance.now() - this.#openedAtMs >= MIN_RETRY_MS) this.#wake?.abort();
  }

  /** Opens the stream and reads it to its end. */
  async #readOnce(isFirst: boolean): Promise<NextStep> {
    const { open, onResumed, onError, onFatal, onEvent, signal } = this.#options;
    try {
      const response = await open(this.#lastEventId);
      this.state = "open";
      this.#wasOpen = true;
      if (!isFirst) onResumed();
      if (response.body === null) return "pause";
      const onRetry = (ms: number) => this.#retryMs = ms;
      for await (const event of eventsOf(response.body, { onRetry, signal })) {
        if (event.id) this.#lastEventId = event.id;
        const taken = onEvent(event);
        if (taken instanceof Promise) await taken;
      }
    } catch (thrown) {
      if (signal.aborted) return "stop";
      onError(thrown);
      // Some servers send headers with their first event. Not to miss it, the next stream is opened without a
      // pause.
      if (thrown instanceof StreamTimeoutError) return "reopen";
      if (thrown instanceof HttpStatusError) return await this.#afterRefusal(thrown);
      if (thrown instanceof ExaiError) {
        // Requests go on, and the next that is answered opens the stream again.
        if (WITHOUT_RIGHT.has(thrown.code)) return "pause";
        onFatal(thrown);
        return "stop";
      }
    }
    return "pause";
  }

  async #afterRefusal(refusal: HttpStatusError): Promise<NextStep> {
    const { status } = refusal;
    // 409: the server has not noticed the end of the last stream, and allows only one.
    if (status === 408 || status === 409 || status === 429 || status >= 500) return "pause";
    const { hasSession, onSessionLost, check } = this.#options;
    // Servers without such a stream refuse it in many ways; a refusal counts only if the stream was open
    // before.
    if (!this.#wasOpen) return "stop";
    if (!isAboutSession(refusal, hasSession)) {
      if (status === NO_STREAM) return "stop";
      if (!hasSession || await check(refusal) === "alive") return "pause";
    }
    onSessionLost(refusal);
    return "stop";
  }

  async #pause(): Promise<void> {
    if (performance.now() - this.#openedAtMs >= STABLE_MS) this.#pauseMs = MIN_PAUSE_MS;
    const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(this.#pauseMs, this.#retryMs ?? 0));
    this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * PAUSE_FACTOR);
    this.#wake = new AbortController();
    const onAbort = () => this.#wake?.abort();
    this.#options.signal.addEventListener("abort", onAbort, { once: true });
    // Jitter, for a server that many daemons lost at the same time.
    await delay(pauseMs * (0.75 + Math.random() / 4), { signal: this.#wake.signal }).catch(() => {});
    this.#options.signal.removeEventListener("abort", onAbort);
  }
}
