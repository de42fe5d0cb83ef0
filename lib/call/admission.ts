import type { Result } from "../wire/rpc.ts";
import type { Call } from "./call.ts";

/** What does the work of calls: a process of a mounted server, or a server within the daemon. */
export interface Worker {
  /** False once it has ended: a call that was only waiting for it may go to another. */
  readonly alive: boolean;
  /** Whether it answers anybody; undefined where nobody can find out. */
  readonly liveness?: Liveness;
  call(call: Call): Promise<Result>;
}

/** Whether a process answers at all, whatever becomes of one call. */
export interface Liveness {
  /** Messages it has sent so far. */
  readonly heard: number;
  /**
   * Whether it sends anything within `patienceMs` now that it is asked to; asked for each call that was not answered. A
   * process that says nothing, call after call, is replaced.
   */
  check(patienceMs: number): Promise<boolean>;
}

/** How a circuit breaker stands, for `ps` and the health report. */
export interface BreakerStatus {
  state: "closed" | "open" | "half_open";
  /** Failures in a row. */
  failures: number;
  /** What the last of them said. */
  lastError: string | undefined;
  /** How long calls are refused, in milliseconds; undefined when the next one is made. */
  retryAfterMs: number | undefined;
  /** Sessions whose calls are refused for their own time-outs, while those of others are made. */
  refusedSessions: number;
}

/**
 * Decides when calls may run on one worker. Kept by share key, not by the name of the server: what goes wrong in one
 * project says nothing of the process in another.
 */
export interface Admission {
  /**
   * Refuses at once what would be refused after a wait.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` while the breaker is open
   */
  check(call: Call): void;
  /**
   * Runs a call once the worker, its session and the daemon may run one more; undefined when the worker has ended
   * before the call began. Nothing that other workers need is held while the call waits for this one.
   *
   * @throws {ExaiError} what the worker throws; `OVER_CAPACITY` when too many calls wait; `UPSTREAM_UNAVAILABLE` while
   * the breaker is open; the signal's reason
   */
  run(call: Call, worker: Worker): Promise<Result | undefined>;
  /** Forgets every failure: the configuration was read again. */
  reset(): void;
  /** Forgets the session `id`, which is over. */
  forget(id: string): void;
  /** Calls that have a place. */
  readonly running: number;
  /** Calls that wait for a place. */
  readonly waiting: number;
  readonly breaker: BreakerStatus | undefined;
  /** What is wrong, in a sentence; undefined when calls are made. */
  readonly fault: string | undefined;
  /** Whether there is nothing to remember and nobody waits. */
  readonly isClean: boolean;
}

/** Admits every call at once. */
export const UNLIMITED: Admission = {
  check: () => {},
  async run(call, worker) {
    if (!worker.alive) return undefined;
    call.begin?.();
    return await worker.call(call);
  },
  reset: () => {},
  forget: () => {},
  running: 0,
  waiting: 0,
  breaker: undefined,
  fault: undefined,
  isClean: true,
};
