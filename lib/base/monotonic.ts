/**
 * The time in milliseconds since 1970 as it was when this process began, plus how long it has run since: it goes on
 * evenly, whatever becomes of the machine's clock. For how long something took or may take; not for a date to show.
 */
export function monotonicNow(): number {
  return performance.timeOrigin + performance.now();
}
