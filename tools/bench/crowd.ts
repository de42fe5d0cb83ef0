import { delay } from "@std/async/delay";
import { treeOf } from "../lib/process_table.ts";
import type { CrowdResult } from "./result.ts";
import { median } from "./stats.ts";
import type { Fleet, Subject, Window } from "./subject.ts";
import { ownCpuMs, ownMemoryMib } from "./usage.ts";

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
  const rounds: Record<"windows" | "shared" | "servers", number[]> = { windows: [], shared: [], servers: [] };
  const used = () => Promise.all([ofWindows, fleet.roots, servers].map(ownCpuMs));
  for (let round = 0; round < options.rounds; round++) {
    const [before, startedMs] = [await used(), performance.now()];
    await delay(options.idleMs);
    const [after, elapsedMs] = [await used(), performance.now() - startedMs];
    const percents = after.map((ms, i) => ((ms ?? NaN) - (before[i] ?? NaN)) / elapsedMs * 100);
    rounds.windows.push(percents[0]!);
    rounds.shared.push(percents[1]!);
    rounds.servers.push(percents[2]!);
  }
  const windowsMib = await ownMemoryMib(ofWindows);
  return {
    windows: windows.length,
    windowsPercent: known(median(rounds.windows)),
    sharedPercent: known(median(rounds.shared)),
    serversPercent: known(median(rounds.servers)),
    sharedMib: await ownMemoryMib(fleet.roots),
    sharedAloneMib,
    windowMib: windowsMib === undefined ? undefined : windowsMib / windows.length,
  };
}

async function openUsed(fleet: Fleet): Promise<Window> {
  const window = await fleet.openWindow();
  await window.exchange(undefined)();
  return window;
}

function known(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}
