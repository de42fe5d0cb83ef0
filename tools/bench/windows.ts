import { delay } from "@std/async/delay";
import type { WindowsResult } from "./result.ts";
import type { Subject, Window } from "./subject.ts";
import { cpuMs, memoryMib } from "./usage.ts";

export interface WindowsOptions {
  windows: number;
  /** How long the subject is watched at rest. */
  idleMs: number;
}

/** Time to let what follows a start settle before memory is read. */
const SETTLE_MS = 300;

/** Opens windows one after the other, with nothing else running, and measures what each costs. */
export async function measureWindows(subject: Subject, options: WindowsOptions): Promise<WindowsResult> {
  await using fleet = await subject.open();
  await using stack = new AsyncDisposableStack();
  const windows: Window[] = [];
  const roots = () => [...fleet.roots, ...windows.flatMap((window) => window.roots)];
  const grow = async (count: number) => {
    while (windows.length < count) {
      const window = stack.use(await fleet.openWindow());
      windows.push(window);
      await window.exchange(undefined)();
    }
    await delay(SETTLE_MS);
    return await memoryMib(roots());
  };
  const oneWindowMib = await grow(1);
  const allWindowsMib = await grow(options.windows);
  const idlePercent = await idle(roots(), options.idleMs);
  return {
    initializeMs: windows.flatMap(({ initializeMs }) => initializeMs ?? []),
    oneWindowMib,
    allWindowsMib,
    addedPerWindowMib: oneWindowMib === undefined || allWindowsMib === undefined
      ? undefined
      : (allWindowsMib - oneWindowMib) / (options.windows - 1),
    idlePercent,
  };
}

async function idle(roots: readonly number[], idleMs: number): Promise<number | undefined> {
  const [beforeMs, startedMs] = [await cpuMs(roots), performance.now()];
  await delay(idleMs);
  const [afterMs, elapsedMs] = [await cpuMs(roots), performance.now() - startedMs];
  if (beforeMs === undefined || afterMs === undefined) return undefined;
  return ((afterMs - beforeMs) / elapsedMs) * 100;
}
