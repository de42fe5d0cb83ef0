import { delay } from "@std/async/delay";
import { SECOND_MS } from "../base/units.ts";
import { bodyError, HttpStatusError, ResponseCutError } from "./http_errors.ts";
import { eventsOf } from "./server_events.ts";

/** Failed attempts in a row to resume a stream. */
const MAX_ATTEMPTS = 6;
const PAUSE_MS = SECOND_MS / 2;
/** Bounds on the pause a server asks for. */
const MIN_PAUSE_MS = SECOND_MS / 5;
const MAX_PAUSE_MS = 30 * SECOND_MS;
/** How often one stream is resumed, even if each brings something. */
const MAX_RESUMES = 1000;

interface ResponseStreamOptions {
  /** Opens the stream again after the event `lastEventId`; left out where streams cannot be resumed. */
  reopen?(lastEventId: string): Promise<Response>;
  /** Takes one message. @returns whether it is the answer */
  onMessage(text: string): boolean | Promise<boolean>;
  /** Ends the stream. */
  signal: AbortSignal;
}

/**
 * The event stream that answers one request. If it is cut before the answer it is resumed after its last event, which
 * is possible up to revision 2025-11-25, once it had one with an id (MCP basic/transports, resumability and redelivery).
 */
export class ResponseStream {
  readonly #options: ResponseStreamOptions;
  #lastEventId: string | undefined;
  #pauseMs = PAUSE_MS;
  /** Resumptions since the last message. */
  #attempts = 0;

  constructor(options: ResponseStreamOptions) {
    this.#options = options;
  }

  /**
   * Reads to the answer, and what the server sends after it.
   *
   * @throws {ResponseCutError} there is no answer, and the stream cannot be resumed
   */
  async read(body: NonNullable<Response["body"]>): Promise<void> {
    let next: Response["body"] = body;
    for (let resumes = 0;; resumes++, this.#attempts++) {
      if (await this.#readOnce(next!)) return;
      if (this.#lastEventId === undefined) {
        throw new ResponseCutError("the stream of its answer ended without an answer");
      }
      if (resumes >= MAX_RESUMES) this.#attempts = MAX_ATTEMPTS;
      next = await this.#resume(this.#lastEventId);
    }
  }

  /** Reads one stream to its end; returns whether it had the answer. */
  async #readOnce(body: NonNullable<Response["body"]>): Promise<boolean> {
    const { onMessage, reopen, signal } = this.#options;
    const onRetry = (ms: number) => this.#pauseMs = Math.max(MIN_PAUSE_MS, Math.min(ms, MAX_PAUSE_MS));
    let isAnswered = false;
    try {
      for await (const { event, data, id } of eventsOf(body, { onRetry, signal })) {
        if (id && reopen) this.#lastEventId = id;
        if (event !== "message" || data === "") continue;
        this.#attempts = 0;
        const taken = onMessage(data);
        if (typeof taken === "boolean" ? taken : await taken) isAnswered = true;
      }
    } catch (thrown) {
      if (isAnswered) return true;
      const error = bodyError(thrown, signal);
      if (!(error instanceof ResponseCutError) || this.#lastEventId === undefined) throw error;
    }
    return isAnswered;
  }

  async #resume(lastEventId: string): Promise<Response["body"]> {
    const { reopen, signal } = this.#options;
    let last: unknown;
    for (let attempt = this.#attempts; attempt < MAX_ATTEMPTS; attempt++) {
      await delay(this.#pauseMs * 1.5 ** attempt, { signal });
      try {
        return (await reopen!(lastEventId)).body;
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
}
