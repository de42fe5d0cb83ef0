import { ExaiError } from "../base/errors.ts";
import { adviceOnFailure } from "../call/server_trouble.ts";
import { monotonicNow } from "../base/time.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";

/** After running for this long an instance counts as stable: earlier failures are forgotten. */
export const STABLE_MS = MINUTE_MS;
/** Failures in a row after which the server backs off for {@linkcode CRASH_BACKOFF_MS}. */
const CRASH_LIMIT = 5;
const FIRST_BACKOFF_MS = SECOND_MS / 2;
const MAX_BACKOFF_MS = 30 * SECOND_MS;
export const CRASH_BACKOFF_MS = 5 * MINUTE_MS;
/** A server behind a URL is cheap to ask and recovers by itself, so its back-off stays short. */
const MAX_REMOTE_BACKOFF_MS = 10 * SECOND_MS;

/** What a session has called. */
export interface CalledName {
  /** Unique, also among sessions. */
  key: string;
  /** For messages. */
  label: string;
}

/** The only session whose calls were running in a process when it ended. */
export interface CrashSuspect {
  session: string;
  calls: readonly CalledName[];
}

/** One start of a server. */
export interface StartAttempt {
  begunAtMs: number;
  /** Undefined until it has answered `initialize`. */
  startedAtMs?: number;
  /** The processes it took: the first may end at the question for its era. Default: 1. */
  processes?: number;
  /** The only session whose calls were running when it ended by itself. */
  suspect?: CrashSuspect;
}

/** Why a server does not start now. */
interface FailureState {
  /** Failures in a row. */
  failures: number;
  crashLimitReached: boolean;
  /** When it may be started again; in the past when it may be started now. */
  retryAt: Date;
  lastError: string;
  /** The caller's situation made the start fail, such as a missing directory: does not count as a failure. */
  isCallersFault: boolean;
  /** The program is not there, whichever window needs it. */
  isProgramMissing: boolean;
  /** Nobody is signed in to it, which waiting does not change: it may be started at any time. */
  isLoginRequired: boolean;
}

/** The state of the connection to one process, or to one server behind a URL. */
export type ConnectionState =
  /** Not needed yet, or stopped. */
  | { state: "idle" }
  /** Starting or opening, until `initialize` is answered. */
  | { state: "connecting"; sinceMs: number }
  | { state: "ready"; sinceMs: number }
  /** Lost; the next call connects again at once. */
  | { state: "broken"; lastError: string }
  /** Failed too often; not tried before `retryAt`. */
  | { state: "resting"; lastError: string; failures: number; retryAt: Date }
  /** Takes nothing new and ends once its calls have finished. */
  | { state: "retired" };

/**
 * Decides when a failing server may be started again: at once the first time, with growing delays after that. Failures
 * in a row count, however long each start took; starts that were in progress together count once.
 *
 * @example A server that has failed twice backs off.
 * ```ts
 * import { ExaiError } from "../base/errors.ts";
 * import { Supervisor } from "./supervisor.ts";
 * import { assertThrows } from "@std/assert";
 *
 * const supervisor = new Supervisor("files");
 * const crash = new ExaiError("UPSTREAM_UNAVAILABLE", "exit code 1");
 * supervisor.failed(supervisor.begin(0), crash, 0);
 * supervisor.failed(supervisor.begin(1), crash, 1);
 * assertThrows(() => supervisor.check(2), ExaiError, "failed 2 times in a row");
 * ```
 */
export class Supervisor {
  readonly #name: string;
  readonly #where: string | undefined;
  readonly isRemote: boolean;
  #failures = 0;
  #last: { atMs: number; reason: ExaiError; isUncounted: boolean } | undefined;
  #connection: ConnectionState = { state: "idle" };
  /** The session whose calls alone were running at each failure in the row. */
  #suspectedSession: string | undefined;
  /** The last connection lost while the server itself was healthy. */
  #lastLoss: { message: string; atMs: number } | undefined;

  /**
   * @param where which process of the server this is, for messages; undefined when there is one
   * @param isRemote whether the server is behind a URL
   */
  constructor(name: string, { where, isRemote = false }: { where?: string; isRemote?: boolean } = {}) {
    this.#name = name;
    this.#where = where;
    this.isRemote = isRemote;
  }

  /** Whether there is no failure to remember. */
  get isClean(): boolean {
    if (this.failureState?.isLoginRequired) return false;
    return this.#failures === 0 && (this.#last === undefined || monotonicNow() >= this.#retryAtMs);
  }

  /**
   * Begins a start.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` as {@linkcode check} does
   */
  begin(nowMs = monotonicNow()): StartAttempt {
    this.check(nowMs);
    this.#connection = { state: "connecting", sinceMs: nowMs };
    return { begunAtMs: nowMs };
  }

  /**
   * Begins a start for `session`. Failures under the calls of another session alone do not hold it back.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` as {@linkcode check} does
   */
  beginFor(session: string, nowMs = monotonicNow()): StartAttempt {
    const isAnothers = this.#suspectedSession !== undefined && this.#suspectedSession !== session;
    if (!isAnothers) return this.begin(nowMs);
    this.#connection = { state: "connecting", sinceMs: nowMs };
    return { begunAtMs: nowMs };
  }

  /** @throws {ExaiError} `UPSTREAM_UNAVAILABLE` during a back-off, with the last failure and `retryAfterMs` */
  check(nowMs = monotonicNow()): void {
    const state = this.failureState;
    const retryAfterMs = state ? state.retryAt.getTime() - nowMs : 0;
    if (!state || retryAfterMs <= 0) return;
    if (state.isCallersFault) throw this.#refusal(state.lastError, retryAfterMs);
    const where = this.#where === undefined ? "" : ` ${this.#where}`;
    throw this.#refusal(
      `server "${this.#name}"${where} failed ${state.failures} times in a row and rests for ` +
        `${Math.ceil(retryAfterMs / SECOND_MS)} s; the last time: ${state.lastError}; ` +
        adviceOnFailure({ name: this.#name, isRemote: this.isRemote }),
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
    const { begunAtMs, startedAtMs, processes = 1, suspect } = attempt;
    const failed = startedAtMs === undefined ? processes : 1;
    const isUncounted = isCallersFault(reason) || isLoginRequired(reason);
    const wasStable = startedAtMs !== undefined && nowMs - startedAtMs >= STABLE_MS;
    if (!isUncounted) {
      if (wasStable) this.#failures = 1;
      else if (!this.#last || begunAtMs >= this.#last.atMs || this.#failures === 0) this.#failures += failed;
      const isSameSuspect = this.#failures === failed || this.#suspectedSession === suspect?.session;
      this.#suspectedSession = isSameSuspect ? suspect?.session : undefined;
    }
    this.#last = { atMs: nowMs, reason, isUncounted };
    this.#connection = { state: "broken", lastError: reason.message };
  }

  /** The connection is gone without a failure of the server, or the machine could not open one. */
  connectionLost(reason: ExaiError, nowMs = monotonicNow()): void {
    this.#resetIfStable(nowMs);
    this.#connection = { state: "broken", lastError: reason.message };
  }

  /** The server is being stopped by the daemon. */
  stopped(nowMs = monotonicNow()): void {
    this.#resetIfStable(nowMs);
    this.#connection = { state: "idle" };
  }

  /** Whether to log `reason`: a caller's own fault repeats with each attempt. */
  shouldLog(reason: ExaiError): boolean {
    return !isCallersFault(reason) && !isLoginRequired(reason) ||
      this.#last?.reason.message !== reason.message;
  }

  /** Whether to log a connection lost for `reason`: not when the one before was just lost for the same. */
  shouldLogLoss({ message }: ExaiError, nowMs = monotonicNow()): boolean {
    const last = this.#lastLoss;
    this.#lastLoss = { message, atMs: nowMs };
    return last?.message !== message || nowMs - last.atMs >= STABLE_MS;
  }

  /** The state of its connection now. */
  get connection(): ConnectionState {
    const { failureState: state } = this;
    if (this.#connection.state !== "broken" || !state || state.retryAt.getTime() <= monotonicNow()) {
      return this.#connection;
    }
    const { failures, retryAt, lastError } = state;
    return { state: "resting", failures, retryAt, lastError };
  }

  /** Forgets past failures. */
  resetBackoff(): void {
    this.#failures = 0;
    this.#last = this.#suspectedSession = undefined;
  }

  /** The last failure; undefined when there was none, or it has started since. */
  get failureState(): FailureState | undefined {
    if (!this.#last || this.#connection.state === "ready") return undefined;
    const { reason } = this.#last;
    return {
      failures: this.#failures,
      crashLimitReached: this.#isAtLimit,
      retryAt: new Date(this.#retryAtMs),
      lastError: reason.message,
      isCallersFault: isCallersFault(reason),
      isProgramMissing: reason.details?.missing === "program",
      isLoginRequired: isLoginRequired(reason),
    };
  }

  #resetIfStable(nowMs: number): void {
    if (this.#connection.state === "ready" && nowMs - this.#connection.sinceMs >= STABLE_MS) {
      this.resetBackoff();
    }
  }

  get #retryAtMs(): number {
    const { atMs, reason, isUncounted } = this.#last!;
    if (isLoginRequired(reason)) return atMs;
    if (isUncounted) return atMs + FIRST_BACKOFF_MS;
    if (this.#isAtLimit) return atMs + CRASH_BACKOFF_MS;
    return atMs + Math.min(backoffMs(this.#failures), this.isRemote ? MAX_REMOTE_BACKOFF_MS : Infinity);
  }

  get #isAtLimit(): boolean {
    return !this.isRemote && this.#failures >= CRASH_LIMIT;
  }

  #refusal(message: string, retryAfterMs: number): ExaiError {
    const { reason, isUncounted } = this.#last!;
    const details = { server: this.#name, ...(isUncounted ? { fault: "caller" } : { resting: true }) };
    return new ExaiError("UPSTREAM_UNAVAILABLE", message, { retryAfterMs, cause: reason, details });
  }
}

function backoffMs(failures: number): number {
  return failures < 2 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 2));
}

/** Whether a start has failed because of the caller's situation, such as a missing directory. */
function isCallersFault({ details }: ExaiError): boolean {
  return details?.fault === "caller";
}

/** Whether a server refused to be spoken with by somebody who is not signed in. */
export function isLoginRequired(thrown: unknown): thrown is ExaiError & { code: "LOGIN_REQUIRED" } {
  return thrown instanceof ExaiError && thrown.code === "LOGIN_REQUIRED";
}
