import { EXACT, NUMBER_CHECKS } from "./numbers.ts";
import { loadOf, type LoadResult, type SubjectResult } from "./result.ts";
import { median } from "./stats.ts";
import type { Shape } from "./subject.ts";

/** One figure to reach. */
interface Target {
  figure: string;
  /** Undefined where it was not measured. */
  of(result: SubjectResult): number | undefined;
  show(value: number): string;
  /** Whether more is better. */
  isMore?: boolean;
  /** Only of programs as users run them. */
  isBuilt?: boolean;
  /** At most (or, with `isMore`, at least) so much, of its own unit or of what direct stdio has. */
  reach: { value: number } | { ofDirect: number };
}

const ms = (digits: number) => (value: number) => `${value.toFixed(digits)} ms`;
const mib = (value: number) => `${value.toFixed(1)} MiB`;
const whole = (value: number) => value.toFixed(0);

const TARGETS: readonly Target[] = [
  { figure: "p50, 1 x 1", reach: { ofDirect: 3.5 }, show: ms(3), of: (of) => loadOf(of, SMALL_ONE)?.p50Ms },
  {
    figure: "calls/s, 1 x 8",
    reach: { value: 12_000 },
    isMore: true,
    show: whole,
    of: (of) => loadOf(of, { windows: 1, inflight: 8 })?.callsPerSecond,
  },
  {
    figure: "calls/s, 10 x 1",
    reach: { ofDirect: 0.8 },
    isMore: true,
    show: whole,
    of: (of) => loadOf(of, { windows: 10, inflight: 1 })?.callsPerSecond,
  },
  {
    figure: "p50, 100 KB",
    reach: { ofDirect: 1.6 },
    show: ms(2),
    of: (of) => loadOf(of, sized(100_000))?.p50Ms,
  },
  {
    figure: "p50, 5 MB",
    reach: { ofDirect: 1.4 },
    show: ms(1),
    of: (of) => loadOf(of, sized(5_000_000))?.p50Ms,
  },
  {
    figure: "peak RSS of the daemon, 5 MB, x message",
    reach: { value: 3 },
    show: (value) => value.toFixed(1),
    of: (of) => riseOf(loadOf(of, sized(5_000_000))),
  },
  {
    figure: "a window more, at rest",
    reach: { value: 11 },
    isBuilt: true,
    show: mib,
    of: ({ windows }) => windows?.addedPerWindowMib,
  },
  {
    figure: "a window more, after use",
    reach: { value: 14 },
    isBuilt: true,
    show: mib,
    of: ({ windows }) => windows?.addedAfterUseMib,
  },
  {
    figure: "start to initialize",
    reach: { value: 35 },
    isBuilt: true,
    show: ms(0),
    of: ({ start }) => start && median(start.warm.map(({ initialize }) => initialize)),
  },
  {
    figure: "100 windows at rest, % of a core",
    reach: { value: 0.5 },
    isBuilt: true,
    show: (value) => value.toFixed(2),
    of: ({ crowd }) => sum(crowd?.windowsPercent, crowd?.sharedPercent),
  },
  {
    figure: "daemon with 100 windows",
    reach: { value: 60 },
    isBuilt: true,
    show: mib,
    of: ({ crowd }) => crowd?.sharedMib,
  },
  {
    figure: "kinds of numbers passed exactly",
    reach: { value: NUMBER_CHECKS.length },
    isMore: true,
    show: (value) => `${value} of ${NUMBER_CHECKS.length}`,
    of: ({ numbers }) => numbers && NUMBER_CHECKS.filter((check) => numbers[check] === EXACT).length,
  },
];

export const TARGET_HEAD = ["figure", "reach", "subject", "actual", "direct", "floor", "best peer", ""];

/** Every subject of EXAI's against each figure it is to reach. */
export function targetRows(results: readonly SubjectResult[]): string[][] {
  return TARGETS.flatMap((target) =>
    results.filter(({ role, isBuilt }) => role === "mounted" && (isBuilt || !target.isBuilt)).flatMap(
      (result) => {
        const row = targetRow(target, result, results);
        return row ? [row] : [];
      },
    )
  );
}

function targetRow(
  target: Target,
  result: SubjectResult,
  results: readonly SubjectResult[],
): string[] | undefined {
  const actual = target.of(result);
  if (actual === undefined) return undefined;
  const ofRole = (role: string) =>
    results.filter((result) => result.role === role).flatMap((result) => target.of(result) ?? []);
  const pick = target.isMore ? Math.max : Math.min;
  const [direct] = ofRole("direct");
  const [floors, peers] = [ofRole("floor"), ofRole("peer")];
  const cell = (value: number | undefined) =>
    value === undefined ? "-" : target.show(value) + timesDirect(target, value, direct);
  const limit = limitOf(target, direct);
  const isReached = limit !== undefined && (target.isMore ? actual >= limit : actual <= limit);
  return [
    target.figure,
    reachText(target),
    result.name,
    cell(actual),
    direct === undefined ? "-" : target.show(direct),
    cell(floors.length === 0 ? undefined : pick(...floors)),
    cell(peers.length === 0 ? undefined : pick(...peers)),
    limit === undefined ? "" : isReached ? "reached" : "NOT REACHED",
  ];
}

function limitOf({ reach }: Target, direct: number | undefined): number | undefined {
  if ("value" in reach) return reach.value;
  return direct === undefined ? undefined : direct * reach.ofDirect;
}

function reachText({ reach, show, isMore }: Target): string {
  const sign = isMore ? ">=" : "<=";
  return "value" in reach ? `${sign} ${show(reach.value)}` : `${sign} ${reach.ofDirect} x direct`;
}

function timesDirect({ reach }: Target, value: number, direct: number | undefined): string {
  return "value" in reach || !direct ? "" : ` (${(value / direct).toFixed(2)} x)`;
}

const SMALL_ONE: Shape = { windows: 1, inflight: 1 };

function sized(payloadBytes: number): Shape {
  return { ...SMALL_ONE, payloadBytes };
}

function riseOf(load: LoadResult | undefined): number | undefined {
  if (load?.peakRssBytes === undefined) return undefined;
  return load.peakRssBytes / load.shape.payloadBytes!;
}

function sum(...values: (number | undefined)[]): number | undefined {
  return values.reduce((sum, value) => sum === undefined || value === undefined ? undefined : sum + value, 0);
}
