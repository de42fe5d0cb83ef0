import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import { type Admission, ANY_PLACE, type Worker } from "../call/admission.ts";
import { type Call, derive, type Policy, type Target } from "../call/call.ts";
import { Deadlines } from "./deadlines.ts";
import { Tally } from "./tally.ts";

/** Runs a server's calls as its admission says: for a server that is one worker, and not several processes. */
export function admitted(admission: Admission): Policy {
  return (next) => {
    const worker: Worker = { alive: true, call: next };
    // The worker is always there, so there is always a result.
    const run = (call: Call) => admission.run(call, worker) as ReturnType<Target>;
    const runAt = async (call: Call, admitted: Disposable | Promise<Disposable>) => {
      using _place = admitted instanceof Promise ? await admitted : admitted;
      return await run(call);
    };
    return (call) => {
      try {
        admission.check(call);
        const admitted = admission.place(call);
        // Nothing to give back: one promise less for each call of a server without a limit of its own.
        return admitted === ANY_PLACE ? run(call) : runAt(call, admitted);
      } catch (thrown) {
        return Promise.reject(thrown);
      }
    };
  };
}

/** How many calls there are, running and waiting for anything, of each session and in all. */
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

  /** Refuses calls of a session that has too many already, whatever those wait for. */
  readonly policy: Policy = (next) => async (call) => {
    const { id } = call.caller;
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
 * counts from when the call has come, and includes all it waits for.
 */
export function withTimeout(limitMs: number): Policy {
  const deadlines = new Deadlines();
  return (next) => async (call) => {
    const timeoutMs = Math.min(call.timeoutMs ?? limitMs, limitMs);
    const controller = new AbortController();
    const forward = () => controller.abort(call.signal.reason);
    if (call.signal.aborted) forward();
    else call.signal.addEventListener("abort", forward);
    using _deadline = deadlines.after(timeoutMs, () => controller.abort(timedOut(timeoutMs)));
    try {
      return await next(derive(call, { signal: controller.signal, deadlineMs: monotonicNow() + timeoutMs }));
    } finally {
      call.signal.removeEventListener("abort", forward);
    }
  };
}

/**
 * Frees whoever waits for a call once its signal aborts, whether the target heeds it or not. Stands innermost, so
 * that a target that hangs gives its permit back too.
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
