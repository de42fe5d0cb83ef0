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
  /** Which of its processes this is about, for messages, as "in /home/me/project"; left out: there is one. */
  where?: string;
  /** Failures in a row after which it is left alone. */
  failures: number;
  /** How long it is left alone before one call tries it again, in milliseconds. */
  openMs: number;
  /** How long one of its calls may take, in milliseconds; a caller that gave less has found out nothing. */
  callTimeoutMs: number;
  /** Whether several sessions may call it: time-outs of one then say little about the others' calls. */
  isShared?: boolean;
  /** A clock that never jumps, in milliseconds. */
  now?: () => number;
  /** Called when it has opened or closed. */
  onchange?(): void;
}

/** Longest time a server may ask to be left alone: after it one call tries, and it may ask again. */
const MAX_HOLD_MS = MINUTE_MS;

/** HTTP status of a server that was asked too much: by all, or by one, as where a tool has a quota. */
const TOO_MANY_REQUESTS = 429;

/** HTTP statuses that say what is wrong with one message, not with the server. */
const CALLERS_FAULT: ReadonlySet<unknown> = new Set([400, 413, 414, 422, 431]);

/** How a call failed that was let through. */
export interface BreakerFailure {
  error: ExaiError;
  /** How long the server had it, in milliseconds: without waiting before it, or for the caller's client. */
  ranMs: number;
  /** Whether the server answers anybody, of a call it did not answer in time; undefined when that is not known. */
  isAnswering?: boolean;
}

/**
 * Leaves a server alone that keeps failing: does not answer in time, cannot be reached, crashes, is overloaded. What a
 * tool itself says has failed, what a caller did wrong and what it cancelled are no failures of the server. A call that
 * runs out of time on a process that several sessions share and that answers is a matter of that call: it counts for its
 * session alone. So do other breakers tell errors of one transaction from those of the host (Envoy's outlier detection).
 */
export class ServerBreaker {
  readonly name: string;
  readonly #options: ServerBreakerOptions;
  readonly #circuit: CircuitBreaker;
  readonly #sessions: SessionFailures;
  #lastError: string | undefined;
  /** What the last failure came of. */
  #lastCause: unknown;
  /** Sessions of the calls in a row that the server has refused. */
  readonly #limited = new Set<string>();

  constructor(options: ServerBreakerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#circuit = new CircuitBreaker({ ...options, onchange: () => this.#changed() });
    this.#sessions = new SessionFailures(options);
  }

  get status(): BreakerStatus {
    const { state, failures, refusesForMs: retryAfterMs } = this.#circuit;
    const refusedSessions = this.#sessions.refused;
    return { state, failures, lastError: this.#lastError, retryAfterMs, refusedSessions };
  }

  /** What is wrong, in a sentence; undefined when calls are made. */
  get fault(): string | undefined {
    return this.#circuit.state === "closed" ? undefined : this.#describe();
  }

  /** Whether there is nothing to remember of it. */
  get isClean(): boolean {
    // It is closed then: failures are what opens it.
    return this.#circuit.failures === 0 && this.#sessions.size === 0;
  }

  /** Forgets every failure: the configuration was read again. */
  reset(): void {
    this.#circuit.reset();
    this.#sessions.clear();
    this.#limited.clear();
  }

  /** Forgets the session `id`, which is over. */
  forget(id: string): void {
    this.#sessions.forget(id);
    this.#limited.delete(id);
  }

  /**
   * Refuses a call at once that {@linkcode enter} would refuse, or that has waited for something else since.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` while the server is left alone
   */
  check(call: Call): void {
    this.#checkSession(call);
    const { state, refusesForMs } = this.#circuit;
    if (state === "open" && refusesForMs !== undefined) throw this.#refusal();
  }

  /**
   * Lets a call through, and gives what it must tell {@linkcode leave}. While another call tries whether the server is
   * well again, it waits some seconds for what that one finds out.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` while the server is left alone; the signal's reason
   */
  enter(call: Call): number | Promise<number> {
    this.#checkSession(call);
    return this.#circuit.enter(call.caller.id) || this.#enterInTime(call);
  }

  async #enterInTime(call: Call): Promise<number> {
    const what = `the call that tries whether server "${this.name}" is well again`;
    const era = await waitingFor(call, what, this.#circuit.enterOrWait(call.signal, call.caller.id));
    if (era === 0) throw this.#refusal();
    return era;
  }

  /** A call that was let through has ended: what that says of the server is learnt. */
  leave(era: number, call: Call, failure?: BreakerFailure): void {
    if (!failure) {
      this.#limited.clear();
      this.#sessions.forget(call.caller.id);
      return this.#circuit.leave(era, "success", call.caller.id);
    }
    const { error } = failure;
    // One crash ends every call under way: that is one failure, however many they are.
    const cause = error.cause instanceof ExaiError ? error.cause : error;
    const isUnwell = cause !== this.#lastCause && this.#saysUnwell(call, failure);
    this.#lastCause = cause;
    const saysSo = isUnwell && !this.#isOfOne(error, call);
    if (saysSo) this.#lastError = error.message;
    this.#circuit.leave(era, saysSo ? "failure" : "ignored", call.caller.id);
    if (!saysSo || error.retryAfterMs === undefined) return;
    // What one answer asks for may be about one call. A second session, or failures enough, say that it is about all.
    if (this.#limited.size < 2 && this.#circuit.state !== "open") return;
    this.#circuit.openFor(Math.min(error.retryAfterMs, MAX_HOLD_MS));
  }

  /**
   * Notes that the server has refused a call; whether that may come of what this caller asks for, and is kept to it: of a
   * server that several sessions call one of them alone has been refused since the last answer, or it crashed while no
   * other's call was under way.
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
    // It wants to be left alone, or is tried after it has failed everybody.
    const isAboutAll = error.retryAfterMs !== undefined || this.#circuit.state !== "closed";
    if (status !== TOO_MANY_REQUESTS && (status === undefined || isAboutAll)) return false;
    this.#sessions.failed(caller.id, error.message);
    return true;
  }

  /** A call that was let through was not made: nothing is found out. */
  giveUp(era: number, call: Call): void {
    this.#circuit.leave(era, "ignored", call.caller.id);
  }

  #saysUnwell(call: Call, failure: BreakerFailure): boolean {
    const { error } = failure;
    if (error.code === "TIMEOUT") return this.#timeoutSaysUnwell(call, failure);
    if (error.code !== "UPSTREAM_UNAVAILABLE") return false;
    // The server has lost our session, and refused at once: it is well.
    if (error.details?.outcome === "not_run") return false;
    // It has refused the message for what it asks for, and answers others.
    if (error.details?.fault === "caller") return false;
    const status = error.details?.status;
    // A server that rests after its crashes was not asked at all; one that names a status was.
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
    this.#options.onchange?.();
  }
}

/** Whether a call that ran out of time had the time the server may take: not its caller's limit, not spent waiting. */
export function isServersTime(
  { timeoutMs = Infinity }: Pick<Call, "timeoutMs">,
  { ranMs, callTimeoutMs }: { ranMs: number; callTimeoutMs: number },
): boolean {
  return timeoutMs >= callTimeoutMs && ranMs >= callTimeoutMs / 2;
}
