/** How long messages that have arrived may keep the event loop from turning. */
const SLICE_MS = 5;
/** Below this weight the clock is not read: ordinary traffic costs no timer. */
const MIN_WEIGHT = 64;
/** A message counts for one more for each 4096 characters. */
const CHARS_SHIFT = 12;

/** What all sources have delivered since the event loop last turned, as far as is known. */
let pendingWeight = 0;
/** When the timer was set that shows whether the event loop turns; undefined while none is set. */
let timerSetAtMs: number | undefined;
const yielding: (() => void)[] = [];
/** The real timer, also when a test replaces the global one. */
const startTimer = setTimeout;
let rotation = 0;

/**
 * Counts one received message of `chars` characters.
 *
 * Sockets and pipes with data ready are read without a turn of the event loop, so a busy sender would keep the
 * process to itself. Whether the loop turns is seen by a timer of zero: it is set after some dozen messages, and a
 * yield is due only if it has not fired after the slice.
 *
 * @returns true when the messages of others have waited long enough: the caller then waits for
 * {@linkcode yieldToEventLoop} before it reads on
 */
export function isYieldDue(chars = 0): boolean {
  pendingWeight += 1 + (chars >>> CHARS_SHIFT);
  if (pendingWeight < MIN_WEIGHT) return false;
  const nowMs = performance.now();
  if (timerSetAtMs !== undefined) return nowMs - timerSetAtMs >= SLICE_MS;
  timerSetAtMs = nowMs;
  startTimer(onTimer, 0);
  return false;
}

/**
 * Resolves in another turn of the event loop, after all ready sockets have been read. By a timer: after
 * `setImmediate` Deno continues without polling the sockets of its servers.
 */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    yielding.push(resolve);
    if (yielding.length === 1) startTimer(resumeAll, 0);
  });
}

/**
 * Passes each of `items` to `take`, yielding between portions where they are many.
 *
 * @returns a promise for when all are taken; undefined if they are already
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

function onTimer(): void {
  timerSetAtMs = undefined;
  pendingWeight = 0;
}

/** The first one has most of the slice to itself, so it is another one each time. */
function resumeAll(): void {
  const all = yielding.splice(0);
  const first = rotation++ % all.length;
  for (let at = 0; at < all.length; at++) all[(first + at) % all.length]!();
}
