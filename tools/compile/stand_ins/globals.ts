/**
 * Globals of the bundle of the shim: its `Buffer`, and timers. Deno's own are those of Node.js, with which the first use
 * of one loads what Deno has of Node.js: 2 MB and 8 ms for each window. `AbortSignal.timeout` is there without. Its timer
 * cannot be stopped, and keeps the program running while somebody listens; all timers here share one.
 */

export { Buffer } from "./node_buffer.ts";

interface Timer {
  dueMs: number;
  run(): void;
  /** Of a repeated one. */
  intervalMs?: number;
  /** Called by `Deno.unrefTimer`. Does nothing: the shim says itself when it ends. */
  unref(): void;
}

/** The longest time of `AbortSignal.timeout`. */
const MAX_MS = 2 ** 31 - 1;

const timers = new Set<Timer>();
let alarm: { signal: AbortSignal; dueMs: number } | undefined;

type Callback<A extends unknown[]> = (...args: A) => void;

export function setTimeout<A extends unknown[]>(callback: Callback<A>, delayMs = 0, ...args: A): Timer {
  return start({ dueMs: dueIn(delayMs), run: () => callback(...args), unref: () => {} });
}

export function setInterval<A extends unknown[]>(callback: Callback<A>, delayMs = 0, ...args: A): Timer {
  const intervalMs = Math.max(1, delayMs);
  return start({ dueMs: dueIn(intervalMs), intervalMs, run: () => callback(...args), unref: () => {} });
}

export function clearTimeout(timer: Timer | undefined): void {
  if (timer && timers.delete(timer) && timers.size === 0) stopAlarm();
}

export const clearInterval = clearTimeout;

function dueIn(delayMs: number): number {
  return performance.now() + Math.max(0, delayMs || 0);
}

function start(timer: Timer): Timer {
  timers.add(timer);
  if (!alarm || timer.dueMs < alarm.dueMs) setAlarm(timer.dueMs);
  return timer;
}

function setAlarm(dueMs: number): void {
  stopAlarm();
  // A longer one would end at once; this one is followed by others.
  const signal = AbortSignal.timeout(Math.min(MAX_MS, Math.max(0, Math.ceil(dueMs - performance.now()))));
  signal.addEventListener("abort", ring);
  alarm = { signal, dueMs };
}

function stopAlarm(): void {
  alarm?.signal.removeEventListener("abort", ring);
  alarm = undefined;
}

function ring(): void {
  stopAlarm();
  const nowMs = performance.now();
  const due = [...timers].filter(({ dueMs }) => dueMs <= nowMs).sort((a, b) => a.dueMs - b.dueMs);
  for (const timer of due) expire(timer, nowMs);
  // Not `Math.min(...)`: there are as many as requests that wait, which may be more than a call can have arguments.
  let nextMs = Infinity;
  for (const { dueMs } of timers) if (dueMs < nextMs) nextMs = dueMs;
  if (timers.size > 0 && (!alarm || nextMs < alarm.dueMs)) setAlarm(nextMs);
}

function expire(timer: Timer, nowMs: number): void {
  // One that ran before it may have cleared it.
  if (!timers.has(timer)) return;
  if (timer.intervalMs === undefined) timers.delete(timer);
  else timer.dueMs = nowMs + timer.intervalMs;
  try {
    timer.run();
  } catch (thrown) {
    reportError(thrown);
  }
}
