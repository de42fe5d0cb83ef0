import { getLogger } from "@logtape/logtape";
import { CircuitBreaker } from "../base/circuit_breaker.ts";
import { ExaiError } from "../base/errors.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { BreakerStatus } from "../call/admission.ts";
import type { Call } from "../call/call.ts";
import { waitingFor } from "../call/wait.ts";
import { SessionFailures } from "./session_failures.ts";

const log = getLogger(["exai", "admission"]);

export interface ServerBreakerOptions {
  /** The server's name, for messages. */
  name: string;
  /** Which of its processes, for messages, as "in /home/me/project"; left out: there is only one. */
  where?: string;
  /** Consecutive failures after which the breaker opens. */
  failures: number;
  /** How long it stays open before one call probes the server, in milliseconds. */
  openMs: number;
  /** Time limit of its calls, in milliseconds; a time-out with a shorter limit of the caller is not counted. */
  callTimeoutMs: number;
  /** Whether several sessions may call it: time-outs of one then say little about calls of others. */
  isShared?: boolean;
  /** A clock that never jumps, in milliseconds. */
  now?: () => number;
  /** Called when the breaker has opened or closed. */
  onChange?(): void;
}

/** Longest time a server may keep the breaker open by `Retry-After`; after it one call probes the server. */
const MAX_HOLD_MS = MINUTE_MS;

/** HTTP status of a rate limit: of the server, or of one session where a tool has a quota. */
const TOO_MANY_REQUESTS = 429;

/** HTTP statuses that are about one message, not about the server. */
const CALLERS_FAULT: ReadonlySet<unknown> = new Set([400, 413, 414, 422, 431]);

/** How a call failed. */
export interface BreakerFailure {
  error: ExaiError;
  /** How long the server worked on it, in milliseconds: without waits for permits or for the client. */
  ranMs: number;
  /** After a time-out: whether the server responds to other messages; undefined when that is not known. */
  isAnswering?: boolean;
}

/**
 * The circuit breaker of one process of a server. Failures are time-outs, failed connections, crashes and overload; errors
 * that a tool reports, invalid requests and cancelled calls are ignored. A time-out on a shared process that responds to
 * others counts for its session only, as Envoy's outlier detection separates errors of one transaction from those of the host.
 */
export class ServerBreaker {
  readonly name: string;
  readonly #options: ServerBreakerOptions;
  readonly #circuit: CircuitBreaker;
  readonly #sessions: SessionFailures;
  #lastError: string | undefined;
  /** The cause of the last failure. */
  #lastCause: unknown;
  /** Sessions of the consecutive calls that the server has rate-limited. */
  readonly #limited = new Set<string>();

  constructor(options: ServerBreakerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#circuit = new CircuitBreaker({ ...options, onChange: () => this.#changed() });
    this.#sessions = new SessionFailures(options);
  }

  get status(): BreakerStatus {
    const { state, failures, refusesForMs: retryAfterMs } = this.#circuit;
    const refusedSessions = this.#sessions.refused;
    return { state, failures, lastError: this.#lastError, retryAfterMs, refusedSessions };
  }

  /** Why calls are refused, in a sentence; undefined when the breaker is closed. */
  get fault(): string | undefined {
    return this.#circuit.state === "closed" ? undefined : this.#describe();
  }

  /** Whether there is no failure to remember. */
  get isClean(): boolean {
    // Without failures it is closed.
    return this.#circuit.failures === 0 && this.#sessions.size === 0;
  }

  /** Clears all failures, as after a reload of the configuration. */
  reset(): void {
    this.#circuit.reset();
    this.#sessions.clear();
    this.#limited.clear();
  }

  /** Drops the state of the session `id`, which has ended. */
  forget(id: string): void {
    this.#sessions.forget(id);
    this.#limited.delete(id);
  }

  /**
   * Refuses a call that {@linkcode enter} would refuse.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` while the breaker is open
   */
  check(call: Call): void {
    this.#checkSession(call);
    const { state, refusesForMs } = this.#circuit;
    if (state === "open" && refusesForMs !== undefined) throw this.#refusal();
  }

  /**
   * Lets a call through, and returns the token for {@linkcode leave}. While another call probes a half-open breaker, it
   * waits some seconds for the outcome.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` while the breaker is open; the signal's reason
   */
  enter(call: Call): number | Promise<number> {
    this.#checkSession(call);
    return this.#circuit.enter(call.caller.id) || this.#enterInTime(call);
  }

  async #enterInTime(call: Call): Promise<number> {
    const what = `the call that tries whether server "${this.name}" is well again`;
    const generation = await waitingFor(call, what, this.#circuit.enterOrWait(call.signal, call.caller.id));
    if (generation === 0) throw this.#refusal();
    return generation;
  }

  /** Records how a call that {@linkcode enter} let through has ended. */
  leave(generation: number, call: Call, failure?: BreakerFailure): void {
    if (!failure) {
      this.#limited.clear();
      this.#sessions.forget(call.caller.id);
      return this.#circuit.leave(generation, "success", call.caller.id);
    }
    const { error } = failure;
    // A crash fails all running calls with one cause: it counts once.
    const cause = error.cause instanceof ExaiError ? error.cause : error;
    const isUnwell = cause !== this.#lastCause && this.#saysUnwell(call, failure);
    this.#lastCause = cause;
    const saysSo = isUnwell && !this.#isOfOne(error, call);
    if (saysSo) this.#lastError = error.message;
    this.#circuit.leave(generation, saysSo ? "failure" : "ignored", call.caller.id);
    if (!saysSo || error.retryAfterMs === undefined) return;
    // `Retry-After` of one answer may be about one call; that of a second session, or of an open breaker, is about all.
    if (this.#limited.size < 2 && this.#circuit.state !== "open") return;
    this.#circuit.openFor(Math.min(error.retryAfterMs, MAX_HOLD_MS));
  }

  /**
   * Whether a failure is attributed to the session alone and not to the server: on a shared server only this session was
   * rate-limited since the last success, or the server crashed while no other session had a call running.
   */
  #isOfOne(error: ExaiError, { caller }: Call): boolean {
    const { status, alone } = error.details ?? {};
    if (alone === true && this.#options.isShared && this.#circuit.state === "closed") {
      this.#sessions.failed(caller.id, error.message);
      return true;
    }
    if (status === undefined && error.retryAfterMs === undefined) return false;
    this.#limited.add(caller.id);
    if (!this.#options.isShared || this.#limited.size > 1) return false;
    // The server asks for a pause, or this is the probe of an open breaker.
    const isAboutAll = error.retryAfterMs !== undefined || this.#circuit.state !== "closed";
    if (status !== TOO_MANY_REQUESTS && (status === undefined || isAboutAll)) return false;
    this.#sessions.failed(caller.id, error.message);
    return true;
  }

  /** A call that {@linkcode enter} let through was not made. */
  giveUp(generation: number, call: Call): void {
    this.#circuit.leave(generation, "ignored", call.caller.id);
  }

  #saysUnwell(call: Call, failure: BreakerFailure): boolean {
    const { error } = failure;
    if (error.code === "TIMEOUT") return this.#timeoutSaysUnwell(call, failure);
    if (error.code !== "UPSTREAM_UNAVAILABLE") return false;
    // The server has lost our session and refused at once: it responds.
    if (error.details?.outcome === "not_run") return false;
    // The server rejects this message and answers others.
    if (error.details?.fault === "caller") return false;
    const status = error.details?.status;
    // A server that is backing off after crashes was not asked at all; one that names a status was.
    if (status === undefined) return error.retryAfterMs === undefined;
    return !CALLERS_FAULT.has(status);
  }

  #timeoutSaysUnwell({ caller, timeoutMs }: Call, { error, ranMs, isAnswering }: BreakerFailure): boolean {
    const { callTimeoutMs, isShared } = this.#options;
    if (!isServersTime({ timeoutMs }, { ranMs, callTimeoutMs })) return false;
    if (!isShared || !isAnswering) return true;
    this.#sessions.failed(caller.id, error.message);
    return false;
  }

  #checkSession({ caller }: Call): void {
    const refused = this.#sessions.refusalOf(caller.id);
    if (!refused) return;
    const { failures, forMs, lastError } = refused;
    throw new ExaiError(
      "UPSTREAM_UNAVAILABLE",
      `the last ${failures} calls of this session to server "${this.name}" failed: its calls are refused for ${
        Math.ceil(forMs / SECOND_MS)
      } s more, those of others are made; the last time: ${lastError}`,
      { retryAfterMs: Math.ceil(forMs), details: { server: this.name, breaker: "open" } },
    );
  }

  #refusal(): ExaiError {
    const retryAfterMs = Math.ceil(this.#circuit.refusesForMs ?? SECOND_MS);
    return new ExaiError("UPSTREAM_UNAVAILABLE", this.#describe(), {
      retryAfterMs,
      details: { server: this.name, breaker: "open" },
    });
  }

  #describe(): string {
    const { failures, refusesForMs } = this.#circuit;
    const until = refusesForMs === undefined
      ? "until a call that is made now finds it well"
      : `for ${Math.ceil(refusesForMs / SECOND_MS)} s more`;
    const times = failures === 1 ? "failed" : `failed ${failures} times in a row`;
    const where = this.#options.where === undefined ? "" : ` ${this.#options.where}`;
    return `server "${this.name}"${where} ${times} and is left alone ${until}; the last time: ${this.#lastError}`;
  }

  #changed(): void {
    const { state } = this.#circuit;
    if (state === "open") log.warning("{fault}", { fault: this.#describe() });
    else log.info('server "{name}" is well again', { name: this.name });
    this.#options.onChange?.();
  }
}

/** Whether a call that ran out of time had the time the server may take: not its caller's limit, not spent waiting. */
export function isServersTime(
  { timeoutMs = Infinity }: Pick<Call, "timeoutMs">,
  { ranMs, callTimeoutMs }: { ranMs: number; callTimeoutMs: number },
): boolean {
  return timeoutMs >= callTimeoutMs && ranMs >= callTimeoutMs / 2;
}
