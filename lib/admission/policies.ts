import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { steadyNow } from "../base/steady.ts";
import { SECOND_MS } from "../base/units.ts";
import { derive, type Policy } from "../call/call.ts";
import { Deadlines } from "./deadlines.ts";
import type { Permits } from "./permits.ts";

/** Runs a call only while it holds a permit of its session. */
export function withPermits(permits: Permits): Policy {
  return (next) => async (call) => {
    const admitted = permits.acquire(call.caller.id, call.signal);
    using _permit = admitted instanceof Promise ? await admitted : admitted;
    return await next(call);
  };
}

/**
 * Aborts a call after `limitMs`, or sooner if its caller asked for less, with `TIMEOUT` as the reason. The time
 * includes what the call waits for its permit.
 */
export function withTimeout(limitMs: number): Policy {
  const deadlines = new Deadlines();
  return (next) => async (call) => {
    const timeoutMs = Math.min(call.timeoutMs ?? limitMs, limitMs);
    const controller = new AbortController();
    const forward = () => controller.abort(call.signal.reason);
    if (call.signal.aborted) forward();
    else call.signal.addEventListener("abort", forward, { once: true });
    using _deadline = deadlines.after(timeoutMs, () => controller.abort(timedOut(timeoutMs)));
    try {
      return await next(derive(call, { signal: controller.signal, deadlineMs: steadyNow() + timeoutMs }));
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
