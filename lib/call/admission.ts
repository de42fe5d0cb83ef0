import type { Result } from "../wire/rpc.ts";
import type { Call } from "./call.ts";

/** What runs calls: a process of a mounted server, or a server within the daemon. */
export interface Worker {
  /** False once it has ended: a call that has not begun may go to another worker. */
  readonly alive: boolean;
  /** How to find out whether it responds; undefined where that is not possible. */
  readonly liveness?: Liveness;
  /** Whether a request is sent to it when the turn ends, after what the turn has recorded is written. */
  readonly sendsAtTurnEnd?: boolean;
  /** Whether `call` is answered by one request that is made for many, and so needs no permit. Default: it is not. */
  joinsOthers?(call: Call): boolean;
  call(call: Call): Promise<Result>;
}

/** Whether a process responds at all, independent of a single call. */
export interface Liveness {
  /** Number of messages received from it. */
  readonly heard: number;
  /**
   * Probes it, and resolves with whether it sends anything within `patienceMs`. A process that stays silent for several
   * calls in a row is replaced.
   */
  check(patienceMs: number): Promise<boolean>;
}

/** State of a circuit breaker, for `ps` and the health report. */
export interface BreakerStatus {
  state: "closed" | "open" | "half_open";
  /** Consecutive failures. */
  failures: number;
  /** Message of the last failure. */
  lastError: string | undefined;
  /** How long calls are still refused, in milliseconds; undefined when the next call is let through. */
  retryAfterMs: number | undefined;
  /** Sessions whose calls are refused because of their own time-outs, while those of others are let through. */
  refusedSessions: number;
}

/**
 * Decides when calls may run on one worker. Kept by share key, not by server name: failures in one project say nothing
 * about the process of another.
 */
export interface Admission {
  /**
   * Refuses a call early that would be refused after a wait.
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
  /** Clears all failures, as after a reload of the configuration. */
  reset(): void;
  /** Drops the state of the session `id`, which has ended. */
  forget(id: string): void;
  /** Calls that run. */
  readonly running: number;
  /** Calls that wait for a permit. */
  readonly waiting: number;
  readonly breaker: BreakerStatus | undefined;
  /** Why calls are refused, in a sentence; undefined when they are not. */
  readonly fault: string | undefined;
  /** Whether there is no state to keep: no failure, and no call that runs or waits. */
  readonly isClean: boolean;
}

/** Admits every call at once. */
export const UNLIMITED: Admission = {
  check: () => {},
  async run(call, worker) {
    if (!worker.alive) return undefined;
    call.begin?.({ inTurn: worker.sendsAtTurnEnd });
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
