import { delay } from "@std/async/delay";
import { treeOf } from "../lib/process_table.ts";
import type { CrowdResult } from "./result.ts";
import { median } from "./stats.ts";
import type { Fleet, Subject, Window } from "./subject.ts";
import { CpuWatch, ownMemoryMib } from "./usage.ts";

export interface CrowdOptions {
  /** Windows opened. */
  crowd: number;
  /** Times they are watched at rest, and for how long each. */
  rounds: number;
  idleMs: number;
}

/** Windows started at the same time: as many as the machine has cores for, about. */
const AT_ONCE = 4;

/** Time to let what follows a start settle. */
const SETTLE_MS = 3000;

/** Opens many windows, each of which makes one call, and measures what they cost at rest. */
export async function measureCrowd(subject: Subject, options: CrowdOptions): Promise<CrowdResult> {
  await using fleet = await subject.open();
  await using stack = new AsyncDisposableStack();
  const windows: Window[] = [];
  stack.defer(async () => {
    await Promise.all(windows.map((opened) => opened[Symbol.asyncDispose]()));
  });
  windows.push(await openUsed(fleet));
  await delay(SETTLE_MS);
  const sharedAloneMib = await ownMemoryMib(fleet.roots);
  while (windows.length < options.crowd) {
    const count = Math.min(AT_ONCE, options.crowd - windows.length);
    const opened = await Promise.all(Array.from({ length: count }, () => openUsed(fleet)));
    windows.push(...opened);
  }
  await delay(SETTLE_MS);
  const ofWindows = await treeOf(windows.flatMap(({ roots }) => roots));
  const servers = (await treeOf(fleet.roots)).filter((pid) => !fleet.roots.includes(pid));
  const groups = [ofWindows, fleet.roots, servers];
  const rounds: number[][] = [];
  for (let round = 0; round < options.rounds; round++) rounds.push(await percents(groups, options.idleMs));
  const [windowsPercent, sharedPercent, serversPercent] = groups.map((_, i) =>
    known(median(rounds.map((round) => round[i]!)))
  );
  const windowsMib = await ownMemoryMib(ofWindows);
  return {
    windows: windows.length,
    windowsPercent,
    sharedPercent,
    serversPercent,
    sharedMib: await ownMemoryMib(fleet.roots),
    sharedAloneMib,
    windowMib: windowsMib === undefined ? undefined : windowsMib / windows.length,
  };
}

/** What each of `groups` uses in a time, in percent of a core. */
async function percents(groups: readonly (readonly number[])[], idleMs: number): Promise<number[]> {
  const watches = await Promise.all(groups.map((pids) => CpuWatch.start(pids)));
  const startedMs = performance.now();
  await delay(idleMs);
  const elapsedMs = performance.now() - startedMs;
  const used = await Promise.all(watches.map((watch) => watch?.usedMs()));
  return used.map((ms = NaN) => (ms / elapsedMs) * 100);
}

async function openUsed(fleet: Fleet): Promise<Window> {
  const window = await fleet.openWindow();
  await window.exchange(undefined)();
  return window;
}

function known(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}
