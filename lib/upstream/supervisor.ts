import { ExaiError } from "../base/errors.ts";
import { monotonicNow } from "../base/time.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";

/** An instance that has run for this long was well: what went wrong before it does not count any more. */
export const WELL_MS = MINUTE_MS;
/** So many failures in a row and the server rests for long. */
const CRASH_LIMIT = 5;
const FIRST_PAUSE_MS = SECOND_MS / 2;
const MAX_PAUSE_MS = 30 * SECOND_MS;
export const REST_MS = 5 * MINUTE_MS;
/** Asking a server behind a URL costs next to nothing, and it comes back by itself: it never rests for long. */
const MAX_REMOTE_PAUSE_MS = 10 * SECOND_MS;

/** What a session has called. */
export interface CallName {
  /** Tells it from all others, also those of other sessions. */
  key: string;
  /** For messages. */
  label: string;
}

/** The one session whose calls a process was working on when it ended. */
export interface Suspect {
  session: string;
  /** What it called. */
  calls: readonly CallName[];
}

/** One start of a server and what came of it. */
export interface StartAttempt {
  begunAtMs: number;
  /** Undefined until it has answered `initialize`. */
  startedAtMs?: number;
  /** The one session whose calls were under way when it ended by itself. */
  suspect?: Suspect;
}

/** What stands in the way of a server's next start. */
interface Trouble {
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
  /** The session under whose calls alone all the failures in a row have come. */
  #blamed: string | undefined;
  /** The last connection that was lost while the server went on. */
  #lastLoss: { message: string; atMs: number } | undefined;

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
    return this.#failures === 0 && (this.#last === undefined || monotonicNow() >= this.#retryAtMs);
  }

  /**
   * A start is about to be made.
   *
   * @throws {ExaiError} as {@linkcode check} does
   */
  begin(nowMs = monotonicNow()): StartAttempt {
    this.check(nowMs);
    this.#connection = { state: "connecting", sinceMs: nowMs };
    return { begunAtMs: nowMs };
  }

  /**
   * The same for `session`: what failed under the calls of another session alone stands in no one else's way.
   *
   * @throws {ExaiError} as {@linkcode check} does
   */
  beginFor(session: string, nowMs = monotonicNow()): StartAttempt {
    const isAnothers = this.#blamed !== undefined && this.#blamed !== session;
    if (!isAnothers) return this.begin(nowMs);
    this.#connection = { state: "connecting", sinceMs: nowMs };
    return { begunAtMs: nowMs };
  }

  /** @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with the last failure and when to try again, while it may not be started */
  check(nowMs = monotonicNow()): void {
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
  started(attempt: StartAttempt, nowMs = monotonicNow()): void {
    attempt.startedAtMs = nowMs;
    this.#connection = { state: "ready", sinceMs: nowMs };
  }

  /** The server has ended by itself or could not be started. */
  failed(attempt: StartAttempt, reason: ExaiError, nowMs = monotonicNow()): void {
    const { begunAtMs, startedAtMs, suspect } = attempt;
    const isCallers = isCallersFault(reason);
    const wasWell = startedAtMs !== undefined && nowMs - startedAtMs >= WELL_MS;
    if (!isCallers) {
      if (wasWell) this.#failures = 1;
      else if (!this.#last || begunAtMs >= this.#last.atMs || this.#failures === 0) this.#failures++;
      this.#blamed = this.#failures === 1 || this.#blamed === suspect?.session ? suspect?.session : undefined;
    }
    this.#last = { atMs: nowMs, reason, isCallersFault: isCallers };
    this.#connection = { state: "broken", lastError: reason.message };
  }

  /** It has no connection, which is no failure of the server: that was lost on which it was well, or none could be had. */
  lost(reason: ExaiError, nowMs = monotonicNow()): void {
    this.#mayHaveBeenWell(nowMs);
    this.#connection = { state: "broken", lastError: reason.message };
  }

  /** It is being stopped from here. */
  stopped(nowMs = monotonicNow()): void {
    this.#mayHaveBeenWell(nowMs);
    this.#connection = { state: "idle" };
  }

  /** Whether `reason` is worth a word: a caller's own mistake comes again with each attempt to do without it. */
  isNews(reason: ExaiError): boolean {
    return !isCallersFault(reason) || this.#last?.reason.message !== reason.message;
  }

  /** Whether a connection lost for `reason` is worth a word: not when the one before was lost for the same just now. */
  isNewLoss({ message }: ExaiError, nowMs = monotonicNow()): boolean {
    const last = this.#lastLoss;
    this.#lastLoss = { message, atMs: nowMs };
    return last?.message !== message || nowMs - last.atMs >= WELL_MS;
  }

  /** How its connection stands now. */
  get connection(): ConnectionState {
    const { trouble } = this;
    if (this.#connection.state !== "broken" || !trouble || trouble.retryAt.getTime() <= monotonicNow()) {
      return this.#connection;
    }
    const { failures, retryAt, lastError } = trouble;
    return { state: "resting", failures, retryAt, lastError };
  }

  /** The configuration was read again: the past does not count any more. */
  forgive(): void {
    this.#failures = 0;
    this.#last = this.#blamed = undefined;
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

  /** What failed before an instance that was well for long does not count: failures are counted in a row. */
  #mayHaveBeenWell(nowMs: number): void {
    if (this.#connection.state === "ready" && nowMs - this.#connection.sinceMs >= WELL_MS) this.forgive();
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
    const { reason, isCallersFault } = this.#last!;
    const details = { server: this.#name, ...(isCallersFault ? { fault: "caller" } : {}) };
    return new ExaiError("UPSTREAM_UNAVAILABLE", message, {
      retryAfterMs,
      cause: reason,
      details,
    });
  }
}

function pauseAfterMs(failures: number): number {
  return failures < 2 ? 0 : Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 2));
}

/** Whether a start has failed for what its caller is, as one without a directory. */
function isCallersFault({ details }: ExaiError): boolean {
  return details?.fault === "caller";
}
