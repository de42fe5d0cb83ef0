import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Admission, Worker } from "../call/admission.ts";
import { type Call, derive, type Policy, type Target } from "../call/call.ts";
import { sessionIdOf } from "../call/owner.ts";
import { Deadlines } from "./deadlines.ts";
import { Tally } from "./tally.ts";

/** Counts the requests that run, so that a daemon that stops lets them finish and takes no new ones. */
export class Drain {
  #running = 0;
  #closed = false;
  #idle: PromiseWithResolvers<void> | undefined;

  /** Requests running now. */
  get running(): number {
    return this.#running;
  }

  /** `target`, refusing with `SHUTTING_DOWN` once {@linkcode close} was called. */
  guard(target: Target): Target {
    return async (call) => {
      if (this.#closed) {
        throw new ExaiError(
          "SHUTTING_DOWN",
          "the daemon is stopping and takes no new calls; try again shortly",
        );
      }
      this.#running++;
      try {
        return await target(call);
      } finally {
        this.#running--;
        if (this.#running === 0) this.#becomeIdle();
      }
    };
  }

  /** Refuses new requests from now on; resolves when those that run have ended. */
  close(): Promise<void> {
    this.#closed = true;
    return this.idle();
  }

  /** Resolves when no request runs; others may begin at once. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers<void>();
    return this.#idle.promise;
  }

  #becomeIdle(): void {
    this.#idle?.resolve();
    this.#idle = undefined;
  }
}

/** Runs the calls of a server that is one worker, and not several processes, when `admission` allows. */
export function admitted(admission: Admission): Policy {
  return (next) => {
    const worker: Worker = { alive: true, call: next };
    return (call) => {
      try {
        admission.check(call);
        // The worker is always alive, so there is always a result.
        return admission.run(call, worker) as ReturnType<Target>;
      } catch (thrown) {
        return Promise.reject(thrown);
      }
    };
  };
}

/** Reports that a call begins, now that it is admitted: until here it has done nothing, and may be made again. */
export function noteBegin(): Policy {
  return (next) => (call) => {
    call.begin?.();
    return next(call);
  };
}

/** Counts the calls of each session, whether they run or wait, and refuses those beyond a bound. */
export class CallBound {
  readonly #maxPerSession: number;
  readonly #refusal: (session: string) => ExaiError;
  readonly #pending = new Tally();

  constructor(maxPerSession: number, refusal: (session: string) => ExaiError) {
    this.#maxPerSession = maxPerSession;
    this.#refusal = refusal;
  }

  /** Calls there are now. */
  get size(): number {
    return this.#pending.total;
  }

  /** Refuses a call of a session that has as many as it may have. */
  readonly policy: Policy = (next) => async (call) => {
    const id = sessionIdOf(call.caller);
    if (this.#pending.of(id) >= this.#maxPerSession) throw this.#refusal(id);
    this.#pending.add(id);
    try {
      return await next(call);
    } finally {
      this.#pending.remove(id);
    }
  };
}

/**
 * Aborts a call after `limitMs`, or sooner if its caller asked for less, with `TIMEOUT` as the reason. The time
 * counts from when the call was received, and includes all its waits.
 *
 * @param deadlines which may be shared with other policies
 */
export function withTimeout(limitMs: number, deadlines = new Deadlines()): Policy {
  return (next) => {
    const limited = async (call: Call, abort: (reason: Error) => void) => {
      const timeoutMs = Math.min(call.timeoutMs ?? limitMs, limitMs);
      using _deadline = deadlines.after(timeoutMs, () => abort(timedOut(timeoutMs)));
      return await next(derive(call, { deadlineMs: monotonicNow() + timeoutMs }));
    };
    return (call) => call.abort ? limited(call, call.abort) : withOwnSignal(call, limited);
  };
}

/** Runs `call` under a signal that can be aborted without aborting its caller's. */
async function withOwnSignal(
  call: Call,
  run: (call: Call, abort: (reason: Error) => void) => ReturnType<Target>,
): ReturnType<Target> {
  const { signal } = call;
  const controller = new AbortController();
  const abort = (reason: Error) => controller.abort(reason);
  const forward = () => abort(signal.reason);
  if (signal.aborted) forward();
  else signal.addEventListener("abort", forward);
  try {
    return await run(derive(call, { signal: controller.signal, abort }), abort);
  } finally {
    signal.removeEventListener("abort", forward);
  }
}

/**
 * Rejects a call once its signal aborts, whether or not the target observes the signal. Stands innermost, so that a
 * target that hangs releases its permit too.
 */
export function freeOnAbort(): Policy {
  return (next) => (call) => untilAborted(next(call), call.signal);
}

function timedOut(timeoutMs: number): ExaiError {
  return new ExaiError(
    "TIMEOUT",
    `the call took longer than the ${timeoutMs / SECOND_MS} s it may take and was stopped`,
    { details: { timeout_ms: timeoutMs } },
  );
}
