/** How long the event loop may be kept from turning by messages that are there already. */
const SLICE_MS = 5;
/** So much is taken before the clock is looked at: ordinary traffic pays for no timer of its own. */
const MIN_WEIGHT = 64;
/** A message of this many characters counts for one more. */
const CHARS_SHIFT = 12;

/** What has come in, whoever sent it, since the event loop last turned as far as is known. */
let weight = 0;
/** When the timer was set that shows whether the event loop turns; undefined while there is none. */
let setAtMs: number | undefined;
const waiting: (() => void)[] = [];
/** The clock of the system, whatever a test puts in its place. */
const { setTimeout } = globalThis;
let rotation = 0;

/**
 * Counts one message of `chars` characters that was taken; true when the messages of others have waited long enough.
 * Whoever has more of the same source then waits for {@linkcode yieldToEventLoop} before the next, and reads no more meanwhile.
 *
 * Sockets and pipes that have something ready are read without a turn of the event loop, so who sends much would keep
 * the process to itself. Whether the loop turns is seen by a timer that is due at once: it is set after some dozen
 * messages, and only if it has not fired after the slice is there anything to wait for.
 */
export function isYieldDue(chars = 0): boolean {
  weight += 1 + (chars >>> CHARS_SHIFT);
  if (weight < MIN_WEIGHT) return false;
  const nowMs = performance.now();
  if (setAtMs !== undefined) return nowMs - setAtMs >= SLICE_MS;
  setAtMs = nowMs;
  setTimeout(onTurn, 0);
  return false;
}

/**
 * Resolves in another turn of the event loop, after what is ready on all sockets has been read. (A timer: after
 * `setImmediate` Deno runs on without looking at its servers' sockets.)
 */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setTimeout(goOn, 0);
  });
}

/**
 * Hands each of `items`, which came together, to `take`: in portions where they are many. What it returns, if anything,
 * resolves when all are taken.
 */
export function forEachYielding<T>(
  items: readonly T[],
  take: (item: T) => void,
  { from = 0 } = {},
): Promise<void> | undefined {
  for (let at = from; at < items.length; at++) {
    take(items[at]!);
    if (isYieldDue() && at + 1 < items.length) {
      return yieldToEventLoop().then(() => forEachYielding(items, take, { from: at + 1 }));
    }
  }
}

function onTurn(): void {
  setAtMs = undefined;
  weight = 0;
}

/** The first to go on has most of the slice to itself, so it is another one each time. */
function goOn(): void {
  const all = waiting.splice(0);
  const first = rotation++ % all.length;
  for (let at = 0; at < all.length; at++) all[(first + at) % all.length]!();
}
