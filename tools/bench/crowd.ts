import { delay } from "@std/async/delay";
import { treeOf } from "../lib/process_table.ts";
import type { CrowdResult } from "./result.ts";
import type { Fleet, Subject, Window } from "./subject.ts";
import { CpuWatch, ownMemoryMib } from "./usage.ts";

/** How long they are watched: what is done every ten seconds is in it three times. */
const REST_MS = 30_000;

/** Windows started at the same time: as many as the machine has cores for, about. */
const AT_ONCE = 4;

/** Time to let what follows a start settle. */
const SETTLE_MS = 3000;

/** The same for many starts: logs are written, and the daemon collects what is left once nobody has called for a while. */
const CROWD_SETTLE_MS = 45_000;

/** Opens many windows, each of which makes one call, and measures what they cost at rest. */
export async function measureCrowd(subject: Subject, count: number): Promise<CrowdResult> {
  await using fleet = await subject.open();
  await using stack = new AsyncDisposableStack();
  const windows: Window[] = [];
  stack.defer(async () => {
    await Promise.all(windows.map((opened) => opened[Symbol.asyncDispose]()));
  });
  windows.push(await openUsed(fleet));
  await delay(SETTLE_MS);
  const sharedAloneMib = await ownMemoryMib(fleet.roots);
  while (windows.length < count) {
    const length = Math.min(AT_ONCE, count - windows.length);
    const opened = await Promise.all(Array.from({ length }, () => openUsed(fleet)));
    windows.push(...opened);
  }
  await delay(CROWD_SETTLE_MS);
  const ofWindows = await treeOf(windows.flatMap(({ roots }) => roots));
  const servers = (await treeOf(fleet.roots)).filter((pid) => !fleet.roots.includes(pid));
  const [windowsPercent, sharedPercent, serversPercent] = await restPercents([
    ofWindows,
    fleet.roots,
    servers,
  ]);
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

/** What each of `groups` uses at rest, in percent of a core. */
async function restPercents(groups: readonly (readonly number[])[]): Promise<(number | undefined)[]> {
  const watches = await Promise.all(groups.map((pids) => CpuWatch.start(pids)));
  const startedMs = performance.now();
  await delay(REST_MS);
  const elapsedMs = performance.now() - startedMs;
  const used = await Promise.all(watches.map((watch) => watch?.usedMs()));
  return used.map((ms) => ms === undefined ? undefined : (ms / elapsedMs) * 100);
}

async function openUsed(fleet: Fleet): Promise<Window> {
  const window = await fleet.openWindow();
  await window.exchange(undefined)();
  return window;
}
