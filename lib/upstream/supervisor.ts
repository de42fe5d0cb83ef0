import { ExaiError } from "../base/errors.ts";
import { steadyNow } from "../base/steady.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";

/** An instance that has run for this long was well: what went wrong before it does not count any more. */
const WELL_MS = MINUTE_MS;
/** So many failures in a row and the server rests for long. */
const CRASH_LIMIT = 5;
const FIRST_PAUSE_MS = SECOND_MS / 2;
const MAX_PAUSE_MS = 30 * SECOND_MS;
const REST_MS = 5 * MINUTE_MS;
/** Asking a server behind a URL costs next to nothing, and it comes back by itself: it never rests for long. */
const MAX_REMOTE_PAUSE_MS = 10 * SECOND_MS;

/** One start of a server and what came of it. */
export interface Attempt {
  begunAtMs: number;
  /** Undefined until it has answered `initialize`. */
  startedAtMs?: number;
}

/** What stands in the way of a server's next start. */
export interface Trouble {
  /** How often it has failed in a row. */
  failures: number;
  /** Whether it failed too often to be started again soon. */
  crashLimitReached: boolean;
  /** When it may be started again; in the past when it may be now. */
  retryAt: Date;
  lastError: string;
  /** It could not be started as its caller is: it does not count, and is tried again soon. */
  isCallersFault: boolean;
}

/** How the connection to one process, or one server behind a URL, stands. */
export type ConnectionState =
  /** Nobody has needed it yet, or not since it was stopped. */
  | { state: "idle" }
  /** It is being started, or opened, and initialized. */
  | { state: "connecting"; sinceMs: number }
  | { state: "ready"; sinceMs: number }
  /** It was lost; the next who needs it gets another at once. */
  | { state: "broken"; lastError: string }
  /** It failed too often to be tried before a certain time. */
  | { state: "resting"; lastError: string; failures: number; retryAt: Date }
  /** It takes nothing new, and ends once what runs on it has finished. */
  | { state: "retired" };

/**
 * Decides when a server that keeps failing may be started again: at once the first time, later and later after. What
 * counts are failures in a row, however long each start took; starts that were under way together count once.
 */
export class Supervisor {
  readonly #name: string;
  readonly #where: string | undefined;
  readonly #isRemote: boolean;
  #failures = 0;
  #last: { atMs: number; reason: ExaiError; isCallersFault: boolean } | undefined;
  #connection: ConnectionState = { state: "idle" };

  /**
   * `where` says which of the server's processes this is about, for messages; undefined when there is one. `isRemote`:
   * it runs elsewhere, and is not started from here.
   */
  constructor(name: string, { where, isRemote = false }: { where?: string; isRemote?: boolean } = {}) {
    this.#name = name;
    this.#where = where;
    this.#isRemote = isRemote;
  }

  /** Whether there is nothing to remember. */
  get isClean(): boolean {
    return this.#failures === 0 && (this.#last === undefined || steadyNow() >= this.#retryAtMs);
  }

  /**
   * A start is about to be made.
   *
   * @throws {ExaiError} as {@linkcode check} does
   */
  begin(nowMs = steadyNow()): Attempt {
    this.check(nowMs);
    this.#connection = { state: "connecting", sinceMs: nowMs };
    return { begunAtMs: nowMs };
  }

  /** @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with the last failure and when to try again, while it may not be started */
  check(nowMs = steadyNow()): void {
    const trouble = this.trouble;
    const retryAfterMs = trouble ? trouble.retryAt.getTime() - nowMs : 0;
    if (!trouble || retryAfterMs <= 0) return;
    if (trouble.isCallersFault) throw this.#refusal(trouble.lastError, retryAfterMs);
    const advice = trouble.crashLimitReached
      ? "; put right what it says, then `exai-daemon reload` lets it start at once"
      : "";
    const where = this.#where === undefined ? "" : ` ${this.#where}`;
    throw this.#refusal(
      `server "${this.#name}"${where} failed ${trouble.failures} times in a row and rests for ` +
        `${Math.ceil(retryAfterMs / SECOND_MS)} s; the last time: ${trouble.lastError}${advice}`,
      retryAfterMs,
    );
  }

  /** The server has answered `initialize`. */
  started(attempt: Attempt, nowMs = steadyNow()): void {
    attempt.startedAtMs = nowMs;
    this.#connection = { state: "ready", sinceMs: nowMs };
  }

  /** The server has ended by itself or could not be started. */
  failed(attempt: Attempt, reason: ExaiError, nowMs = steadyNow()): void {
    const { begunAtMs, startedAtMs } = attempt;
    const isCallersFault = reason.details?.fault === "caller";
    const wasWell = startedAtMs !== undefined && nowMs - startedAtMs >= WELL_MS;
    if (!isCallersFault) {
      if (wasWell) this.#failures = 1;
      else if (!this.#last || begunAtMs >= this.#last.atMs || this.#failures === 0) this.#failures++;
    }
    this.#last = { atMs: nowMs, reason, isCallersFault };
    this.#connection = { state: "broken", lastError: reason.message };
  }

  /** The server knows the connection no more, on which it was well: that is no failure. */
  lost(reason: ExaiError): void {
    this.#connection = { state: "broken", lastError: reason.message };
  }

  /** It is being stopped from here. */
  stopped(): void {
    this.#connection = { state: "idle" };
  }

  /** How its connection stands now. */
  get connection(): ConnectionState {
    const { trouble } = this;
    if (this.#connection.state !== "broken" || !trouble || trouble.retryAt.getTime() <= steadyNow()) {
      return this.#connection;
    }
    const { failures, retryAt, lastError } = trouble;
    return { state: "resting", failures, retryAt, lastError };
  }

  /** The configuration was read again: the past does not count any more. */
  forgive(): void {
    this.#failures = 0;
    this.#last = undefined;
  }

  /** What went wrong; undefined when nothing has, or it has started since. */
  get trouble(): Trouble | undefined {
    if (!this.#last || this.#connection.state === "ready") return undefined;
    const crashLimitReached = this.#isAtLimit;
    const { reason, isCallersFault } = this.#last;
    return {
      failures: this.#failures,
      crashLimitReached,
      retryAt: new Date(this.#retryAtMs),
      lastError: reason.message,
      isCallersFault,
    };
  }

  get #retryAtMs(): number {
    const { atMs, isCallersFault } = this.#last!;
    if (isCallersFault) return atMs + FIRST_PAUSE_MS;
    if (this.#isAtLimit) return atMs + REST_MS;
    return atMs + Math.min(pauseAfterMs(this.#failures), this.#isRemote ? MAX_REMOTE_PAUSE_MS : Infinity);
  }

  get #isAtLimit(): boolean {
    return !this.#isRemote && this.#failures >= CRASH_LIMIT;
  }

  #refusal(message: string, retryAfterMs: number): ExaiError {
    const details = { server: this.#name };
    return new ExaiError("UPSTREAM_UNAVAILABLE", message, {
      retryAfterMs,
      cause: this.#last!.reason,
      details,
    });
  }
}

function pauseAfterMs(failures: number): number {
  return failures < 2 ? 0 : Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 2));
}
