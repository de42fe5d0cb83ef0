import { withDeadline } from "../../base/abort.ts";
import { monotonicNow } from "../../base/time.ts";
import { MINUTE_MS, SECOND_MS } from "../../base/units.ts";

/**
 * How long a look at the file system may take, in milliseconds: it may hang on a network drive. A machine under load takes
 * seconds too, and windows of one directory share no process when the look of one of them was given up.
 */
export const LOOK_TIMEOUT_MS = 10 * SECOND_MS;

/** How long a look that hangs stands for those that come later. */
const HANGING_MS = MINUTE_MS;

interface Look {
  done: Promise<unknown>;
  begunAtMs: number;
}

/** Looks that are not done, by what they are for. */
const looks = new Map<string, Look>();

/**
 * What `look` resolves with, shared by all who want to know `what` before it is done. The time counts from its beginning,
 * so that a place that hangs is waited for once and not by each call.
 *
 * @throws {DOMException} `TimeoutError` after {@linkcode LOOK_TIMEOUT_MS}; what `look` rejects with
 */
export function sharedLook<T>(what: string, look: () => Promise<T>): Promise<T> {
  const nowMs = monotonicNow();
  let known = looks.get(what);
  if (!known || nowMs - known.begunAtMs > HANGING_MS) {
    const begun: Look = { done: look(), begunAtMs: nowMs };
    looks.set(what, known = begun);
    const end = () => void (looks.get(what) === begun && looks.delete(what));
    begun.done.then(end, end);
  }
  const timeoutMs = Math.max(0, known.begunAtMs + LOOK_TIMEOUT_MS - nowMs);
  return withDeadline(known.done as Promise<T>, { timeoutMs });
}

/** `Deno.stat` as a {@linkcode sharedLook}. */
export function sharedStat(path: string): Promise<Deno.FileInfo> {
  return sharedLook(`stat ${path}`, () => Deno.stat(path));
}
