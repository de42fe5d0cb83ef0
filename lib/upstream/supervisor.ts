import { ExaiError } from "../base/errors.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";

/** Failures within this time count together. */
const WINDOW_MS = MINUTE_MS;
/** So many failures in the window and the server rests. */
const CRASH_LIMIT = 5;
const FIRST_PAUSE_MS = SECOND_MS / 2;
const MAX_PAUSE_MS = 30 * SECOND_MS;

/** Decides when a server that keeps failing may be started again: at once the first time, later and later after. */
export class Supervisor {
  readonly #name: string;
  #failures: { atMs: number; reason: ExaiError }[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** The server has ended by itself or could not be started. */
  failed(reason: ExaiError, nowMs = Date.now()): void {
    this.#failures = [...this.#recent(nowMs), { atMs: nowMs, reason }];
  }

  /** The configuration has changed: the past does not count any more. */
  forgive(): void {
    this.#failures = [];
  }

  /** @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with the last failure and when to try again */
  checkMayStart(nowMs = Date.now()): void {
    const recent = this.#recent(nowMs);
    const last = recent.at(-1);
    if (!last || recent.length < 2) return;
    const pauseMs = recent.length >= CRASH_LIMIT
      ? MAX_PAUSE_MS
      : Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (recent.length - 2));
    const retryAfterMs = last.atMs + pauseMs - nowMs;
    if (retryAfterMs <= 0) return;
    throw new ExaiError(
      "UPSTREAM_UNAVAILABLE",
      `server "${this.#name}" failed ${recent.length} times within a minute and rests; the last time: ` +
        last.reason.message,
      { retryAfterMs, cause: last.reason, details: { server: this.#name } },
    );
  }

  #recent(nowMs: number) {
    return this.#failures.filter(({ atMs }) => nowMs - atMs < WINDOW_MS);
  }
}
