import { SECOND_MS } from "./units.ts";

// A whole number, so that a clock of a test has the same.
const timeOrigin = Math.floor(performance.timeOrigin);

/**
 * A monotonic time in milliseconds: the time since 1970 when the process began, plus how long it has run. For
 * durations and deadlines, not for dates.
 */
export function monotonicNow(): number {
  return timeOrigin + performance.now();
}

/** The longest delay of a timer. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** A timer this late means that the process was stopped or the machine asleep. */
const GAP_MS = SECOND_MS;

/**
 * Runs `expire` after `timeoutMs`, unless it is disposed before. After a suspension the timer is due while the input
 * is still unread; `expire` then runs `graceMs` later.
 */
export function suspendAwareTimeout(expire: () => void, timeoutMs: number, graceMs: number): Disposable {
  let dueMs = performance.now() + timeoutMs;
  const onTimer = () => {
    const isLate = performance.now() - dueMs > GAP_MS;
    if (!isLate) return expire();
    dueMs = performance.now() + graceMs;
    timer = setTimeout(onTimer, graceMs);
  };
  let timer = setTimeout(onTimer, timeoutMs);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
