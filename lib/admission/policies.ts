import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Admission, Worker } from "../call/admission.ts";
import { type Call, derive, type Policy, type Target } from "../call/call.ts";
import { sessionIdOf } from "../call/owner.ts";
import { Deadlines } from "./deadlines.ts";
import type { Parking } from "../call/parking.ts";
import { Tally } from "../base/tally.ts";

/** Counts the requests that run, so that a daemon that stops lets them finish and takes no new ones. */
export class Drain {
  #running = 0;
  /** How many of them wait for a client that has no request open. */
  #parked = 0;
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
      using _parked = call.parking && this.#noteParked(call.parking);
      try {
        return await target(call);
      } finally {
        this.#running--;
        this.#look();
      }
    };
  }

  /**
   * Refuses new requests from now on; resolves when those that run have ended. Those that wait for a person are not
   * waited for.
   */
  close(): Promise<void> {
    this.#closed = true;
    return this.idle();
  }

  /** Resolves when no request runs; others may begin at once. */
  idle(): Promise<void> {
    this.#idle ??= Promise.withResolvers<void>();
    const { promise } = this.#idle;
    this.#look();
    return promise;
  }

  #noteParked(parking: Parking): Disposable {
    const watching = parking.watch((isParked) => {
      this.#parked += isParked ? 1 : -1;
      this.#look();
    });
    return {
      [Symbol.dispose]: () => {
        watching[Symbol.dispose]();
        if (parking.isParked) this.#parked--;
      },
    };
  }

  #look(): void {
    if (this.#running - (this.#closed ? this.#parked : 0) > 0) return;
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

/**
 * Reports that a call begins, now that it is admitted: until here it has done nothing, and may be made again. Rejects
 * with what `begin` throws.
 */
export function noteBegin(): Policy {
  return (next) => (call) => {
    try {
      call.begin?.();
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    return next(call);
  };
}

/**
 * Refuses a call that carries the state of another server than `name` (MCP basic/patterns/mrtr): between the question
 * and the answer the configuration may have changed, so that the name of the tool leads to a server that has not asked,
 * and that must not see what another one has kept with the client. Rejects with `INVALID_PARAMS` and what to do.
 */
export function askedBy(name: string): Policy {
  return (next) => (call) => {
    const asked = call.answers?.server;
    return asked === undefined || asked === name ? next(call) : Promise.reject(
      new ExaiError(
        "INVALID_PARAMS",
        `server ${quoteName(asked)} has asked for this, and the name leads to server ${
          quoteName(name)
        } now; send ` +
          "the request without requestState and inputResponses to begin anew",
      ),
    );
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
      const expire = () => abort(timedOut(timeoutMs));
      using _deadline = call.parking
        ? pausable(deadlines, call.parking, { timeoutMs, expire })
        : deadlines.after(timeoutMs, expire);
      return await next(derive(call, { deadlineMs: monotonicNow() + timeoutMs }));
    };
    return (call) => call.abort ? limited(call, call.abort) : withOwnSignal(call, limited);
  };
}

/**
 * A deadline that stands still while its call waits for a client that has no request open. Whether it did is looked at
 * when the time would be up: most calls never wait.
 */
function pausable(
  deadlines: Deadlines,
  parking: Parking,
  { timeoutMs, expire }: { timeoutMs: number; expire(): void },
): Disposable {
  const endsMs = performance.now() + timeoutMs;
  const pausedMs = parking.pausedMs;
  const look = () => {
    next[Symbol.dispose]();
    const leftMs = endsMs + parking.pausedMs - pausedMs - performance.now();
    if (parking.isParked) next = parking.watch(look);
    else if (leftMs > 0) next = deadlines.after(Math.ceil(leftMs), look);
    else expire();
  };
  let next = deadlines.after(timeoutMs, look);
  return { [Symbol.dispose]: () => next[Symbol.dispose]() };
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
