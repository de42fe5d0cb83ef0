import { delay } from "@std/async/delay";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { eventsOf, type ServerEvent } from "./server_events.ts";
import { HttpStatusError, isAboutSession, StreamTimeoutError } from "./errors.ts";
import type { SessionCheck } from "./session_loss.ts";

const FIRST_PAUSE_MS = SECOND_MS;
const MAX_PAUSE_MS = 30 * SECOND_MS;
const GROWTH = 1.5;
/** A stream that lasted this long was well: the next pause is the first again. */
const WELL_MS = 10 * SECOND_MS;
/** A server that answers otherwise is there: the stream is tried at once, but not more often than this. */
const MIN_NUDGE_MS = SECOND_MS;

/** HTTP status of a server that has no stream of its own (MCP basic/transports, listening for messages). */
const NO_STREAM = 405;

/** How the server's own stream stands, for `ps`. */
type StandaloneStreamState = "opening" | "open" | "waiting" | "none";

export interface StandaloneStreamOptions {
  /** Opens the stream, after the event `lastEventId` where one is known. */
  open(lastEventId: string | undefined): Promise<Response>;
  /** A promise is waited for before the next event. */
  onevent(event: ServerEvent): unknown;
  /** The stream is open again: what was sent meanwhile is lost. */
  onresumed(): void;
  /** The server refused the stream because it does not know the session any more. */
  onlost(refusal: HttpStatusError): void;
  /** Finds out whether a refusal that does not say so is about the session. */
  look(refusal: HttpStatusError): Promise<SessionCheck>;
  /** The stream cannot go on. */
  onfatal(error: ExaiError): void;
  onerror(error: unknown): void;
  /** Aborted when the connection is closed. */
  signal: AbortSignal;
  hasSession: boolean;
}

/**
 * Keeps the stream open that a server sends on of its own accord (MCP basic/transports, listening for messages), for as
 * long as the connection lasts: a server that was away for minutes is heard again. The SDK gives up after two tries.
 */
export class StandaloneStream {
  state: StandaloneStreamState = "opening";
  readonly #options: StandaloneStreamOptions;
  #pauseMs = FIRST_PAUSE_MS;
  #retryMs: number | undefined;
  #lastEventId: string | undefined;
  /** Whether this session's stream has been open before. */
  #wasOpen = false;
  #triedAtMs = 0;
  #wake: AbortController | undefined;

  constructor(options: StandaloneStreamOptions) {
    this.#options = options;
  }

  /** Listens until the connection is closed or the server says that it has no such stream. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      this.#triedAtMs = performance.now();
      const again = await this.#listenOnce(isFirst);
      if (!again || signal.aborted) break;
      this.state = "waiting";
      if (again !== "at once") await this.#pause();
    }
    this.state = "none";
  }

  /** The server has just answered something else. */
  nudge(): void {
    if (this.state === "waiting" && performance.now() - this.#triedAtMs >= MIN_NUDGE_MS) this.#wake?.abort();
  }

  /** Listens once; says whether, and when, it is to be tried again. */
  async #listenOnce(isFirst: boolean): Promise<boolean | "at once"> {
    const { open, onresumed, onerror, onfatal, onevent, signal } = this.#options;
    try {
      const response = await open(this.#lastEventId);
      this.state = "open";
      this.#wasOpen = true;
      if (!isFirst) onresumed();
      if (response.body === null) return true;
      const onretry = (ms: number) => this.#retryMs = ms;
      for await (const event of eventsOf(response.body, { onretry, signal })) {
        if (event.id) this.#lastEventId = event.id;
        const taken = onevent(event);
        if (taken instanceof Promise) await taken;
      }
    } catch (thrown) {
      if (signal.aborted) return false;
      onerror(thrown);
      // Some servers send headers with their first event. Not to miss it, the next stream is opened without a pause.
      if (thrown instanceof StreamTimeoutError) return "at once";
      if (thrown instanceof HttpStatusError) return await this.#isWorthRetrying(thrown);
      if (thrown instanceof ExaiError) {
        onfatal(thrown);
        return false;
      }
    }
    return true;
  }

  async #isWorthRetrying(refusal: HttpStatusError): Promise<boolean> {
    const { status } = refusal;
    // 409: it has not noticed yet that the last stream is over, and there may be but one.
    if (status === 408 || status === 409 || status === 429 || status >= 500) return true;
    const { hasSession, onlost, look } = this.#options;
    // Servers without such a stream refuse it in many ways; of one that had it, the refusal means something.
    if (!this.#wasOpen) return false;
    if (!isAboutSession(refusal, hasSession)) {
      if (status === NO_STREAM) return false;
      if (!hasSession || await look(refusal) === "kept") return true;
    }
    onlost(refusal);
    return false;
  }

  async #pause(): Promise<void> {
    if (performance.now() - this.#triedAtMs >= WELL_MS) this.#pauseMs = FIRST_PAUSE_MS;
    const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(this.#pauseMs, this.#retryMs ?? 0));
    this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * GROWTH);
    this.#wake = new AbortController();
    const onAbort = () => this.#wake?.abort();
    this.#options.signal.addEventListener("abort", onAbort, { once: true });
    // Not all at once, where many daemons lost the same server.
    await delay(pauseMs * (0.75 + Math.random() / 4), { signal: this.#wake.signal }).catch(() => {});
    this.#options.signal.removeEventListener("abort", onAbort);
  }
}
