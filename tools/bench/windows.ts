import { delay } from "@std/async/delay";
import { treeOf } from "../lib/process_table.ts";
import { drive } from "./drive.ts";
import type { WindowsResult } from "./result.ts";
import type { Subject, Window } from "./subject.ts";
import { CpuWatch, memoryMib } from "./usage.ts";

export interface WindowsOptions {
  windows: number;
  /** How long the subject is watched at rest. */
  idleMs: number;
}

/** Time to let what follows a start settle before memory is read. */
const SETTLE_MS = 300;

/** Calls after which a window counts as used: by then what is called often has been compiled. */
const USED_CALLS = 300;

/** Opens windows one after the other, with nothing else running, and measures what each costs. */
export async function measureWindows(subject: Subject, options: WindowsOptions): Promise<WindowsResult> {
  await using fleet = await subject.open();
  await using stack = new AsyncDisposableStack();
  const windows: Window[] = [];
  const roots = () => [...fleet.roots, ...windows.flatMap((window) => window.roots)];
  const open = async () => {
    const window = stack.use(await fleet.openWindow());
    windows.push(window);
    await use(window, 1);
  };
  const memory = async () => {
    await delay(SETTLE_MS);
    return await memoryMib(roots());
  };
  await open();
  const oneWindowMib = await memory();
  await use(windows[0]!, USED_CALLS);
  const oneUsedMib = await memory();
  while (windows.length < options.windows) await open();
  const allWindowsMib = await memory();
  const idlePercent = await idle(roots(), options.idleMs);
  for (const window of windows.slice(1)) await use(window, USED_CALLS);
  const allUsedMib = await memory();
  const each = (one?: number, all?: number) =>
    one === undefined || all === undefined ? undefined : (all - one) / (options.windows - 1);
  return {
    oneWindowMib,
    allWindowsMib,
    addedPerWindowMib: each(oneUsedMib, allWindowsMib),
    addedAfterUseMib: each(oneUsedMib, allUsedMib),
    idlePercent,
  };
}

async function use(window: Window, calls: number): Promise<void> {
  await drive([window.exchange(undefined)], { inflight: 1, durationMs: 0, minCalls: calls });
}

async function idle(roots: readonly number[], idleMs: number): Promise<number | undefined> {
  const [watch, startedMs] = [await CpuWatch.start(await treeOf(roots)), performance.now()];
  await delay(idleMs);
  const [usedMs, elapsedMs] = [await watch?.usedMs(), performance.now() - startedMs];
  return usedMs === undefined ? undefined : (usedMs / elapsedMs) * 100;
}
