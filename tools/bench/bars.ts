import { loadOf, type LoadResult, type SubjectResult } from "./result.ts";
import { median } from "./stats.ts";

/** One figure EXAI is to reach, and whether it does. */
export interface Bar {
  subject: string;
  figure: string;
  bar: string;
  measured: string;
  holds: boolean;
}

/** The least that must be reached, as the project set it. */
const BARS = {
  rawCallsPerSecond: 10_000,
  initializeMs: 120,
  addedPerWindowMib: 35,
  idlePercent: 1,
  latencyShare: 1 / 3,
  busyWindowFactor: 10,
  manyWindowsFactor: 8,
} as const;

/** Holds every subject of EXAI's in `results` against the bars that can be told from them. */
export function checkBars(results: readonly SubjectResult[]): Bar[] {
  return results.flatMap((result) => {
    switch (result.role) {
      case "raw":
        return rawBars(result);
      case "own":
        return windowBars(result);
      case "mounted":
        return [...windowBars(result), ...peerBars(result, results)];
      default:
        return [];
    }
  });
}

function rawBars(result: SubjectResult): Bar[] {
  const busy = loadOf(result, { windows: 1, inflight: 8 });
  if (!busy) return [];
  return [atLeast(result, "calls/s, 8 in flight", {
    least: BARS.rawCallsPerSecond,
    value: busy.callsPerSecond,
  })];
}

function windowBars(result: SubjectResult): Bar[] {
  const { windows, start } = result;
  const initializeMs = start && median(start.warm.map(({ initialize }) => initialize));
  return [
    atMost(result, "start to initialize, ms", { most: BARS.initializeMs, value: initializeMs }),
    atMost(result, "memory added per window, MiB", {
      most: BARS.addedPerWindowMib,
      value: windows?.addedAfterUseMib,
    }),
    atMost(result, "all processes at rest, % of a core", {
      most: BARS.idlePercent,
      value: windows?.idlePercent,
    }),
  ].flatMap((bar) => bar ?? []);
}

function peerBars(result: SubjectResult, results: readonly SubjectResult[]): Bar[] {
  const peers = results.filter(({ role }) => role === "peer");
  const best = (
    windows: number,
    inflight: number,
    figure: (load: LoadResult) => number,
    pick: typeof Math.min,
  ) =>
    pick(...peers.flatMap((peer) => {
      const found = loadOf(peer, { windows, inflight });
      return found ? [figure(found)] : [];
    }));
  const bars: (Bar | undefined)[] = [];
  const one = loadOf(result, { windows: 1, inflight: 1 });
  const latencyMs = best(1, 1, ({ p50Ms }) => p50Ms, Math.min);
  if (one && Number.isFinite(latencyMs)) {
    bars.push(atMost(result, "p50, 1 x 1, ms", { most: latencyMs * BARS.latencyShare, value: one.p50Ms }));
  }
  for (
    const [windows, inflight, factor] of [[1, 8, BARS.busyWindowFactor], [10, 1, BARS.manyWindowsFactor]]
  ) {
    const many = loadOf(result, { windows: windows!, inflight: inflight! });
    const peer = best(windows!, inflight!, ({ callsPerSecond }) => callsPerSecond, Math.max);
    if (!many || !Number.isFinite(peer)) continue;
    const figure = `calls/s, ${windows} x ${inflight}`;
    bars.push(atLeast(result, figure, { least: peer * factor!, value: many.callsPerSecond }));
  }
  return bars.flatMap((bar) => bar ?? []);
}

function atMost(
  { name }: SubjectResult,
  figure: string,
  { most, value }: { most: number; value: number | undefined },
): Bar | undefined {
  if (value === undefined) return undefined;
  return { subject: name, figure, bar: `<= ${show(most)}`, measured: show(value), holds: value <= most };
}

function atLeast(
  { name }: SubjectResult,
  figure: string,
  { least, value }: { least: number; value: number },
): Bar {
  return { subject: name, figure, bar: `>= ${show(least)}`, measured: show(value), holds: value >= least };
}

function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
