import { SECOND_MS } from "./units.ts";

/**
 * The time in milliseconds since 1970 as it was when this process began, plus how long it has run since: it goes on
 * evenly, whatever becomes of the machine's clock. For how long something took or may take; not for a date to show.
 */
export function monotonicNow(): number {
  return performance.timeOrigin + performance.now();
}

/** A timer that is this late was not waited for: the process was stopped, or the machine asleep. */
const GAP_MS = SECOND_MS;

/**
 * Runs `expire` after `timeoutMs`, unless what is returned is disposed before. A process that was stopped meanwhile finds
 * its timers run out and what it waited for unread: then it waits `graceMs` more.
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
