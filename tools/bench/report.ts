import { formatTable } from "../lib/table.ts";
import { checkBars } from "./bars.ts";
import { eraRows, ERAS_TITLE, eraShapes } from "./era_rows.ts";
import { NUMBER_CHECKS } from "./numbers.ts";
import type { LoadResult, SubjectResult } from "./result.ts";
import { median } from "./stats.ts";
import { describeShape, type StartMs } from "./subject.ts";
import { type Part, PARTS } from "./suite.ts";
import { TARGET_HEAD, targetRows } from "./targets.ts";
import { MEMORY_KIND } from "./usage.ts";

/** With what one part was measured, and what came of it. */
export interface PartReport {
  at: string;
  /** The commit that is checked out, and whether it was changed. */
  commit: string;
  machine: Record<string, string>;
  /** Versions of what EXAI was compared with. */
  packages: Record<string, string>;
  rounds: number;
  roundMs: number;
  results: SubjectResult[];
}

/** The last run of each part. */
export interface BenchReport {
  parts: Partial<Record<Part, PartReport>>;
}

/** A table with its heading. */
export interface Section {
  title: string;
  /** Which run it shows; undefined for what is taken from all parts. */
  part?: Part;
  head: string[];
  rows: string[][];
}

const MIB = 1024 * 1024;

/** `report` for a terminal. */
export function formatReport(report: BenchReport): string {
  return sectionsOf(report).map(({ title, head, rows }) => `${title}\n\n${formatTable(head, rows)}`).join(
    "\n\n",
  );
}

/** The tables of a report; those with nothing in them are left out. */
export function sectionsOf(report: BenchReport): Section[] {
  const merged = mergeParts(report);
  const parts = PARTS.flatMap((part): Section[] => {
    const results = report.parts[part]?.results ?? [];
    return [{ part, ...TABLES[part](results) }];
  });
  const targets = { title: "The figures to reach", head: TARGET_HEAD, rows: targetRows(merged) };
  return [targets, ...parts, barTable(merged)].filter(({ rows }) => rows.length > 0);
}

/** What all parts have of each subject. */
function mergeParts({ parts }: BenchReport): SubjectResult[] {
  const merged = new Map<string, SubjectResult>();
  for (const { results } of Object.values(parts)) {
    for (const result of results) {
      const before = merged.get(result.name);
      const loads = [...before?.loads ?? [], ...result.loads ?? []];
      merged.set(result.name, { ...before, ...result, loads });
    }
  }
  return [...merged.values()];
}

type Table = Omit<Section, "part">;

const TABLES: Record<Part, (results: readonly SubjectResult[]) => Table> = {
  start: startTable,
  windows: windowTable,
  crowd: crowdTable,
  calls: callTable,
  large: largeTable,
  eras: (results) => ({
    title: ERAS_TITLE,
    head: ["pair", ...eraShapes(results).flatMap((shape) => [describeShape(shape), "x"]), "note"],
    rows: eraRows(results),
  }),
  numbers: numberTable,
};

/** One row of what `part` has measured of a subject, or why it has not. */
function rowsOf<T>(
  results: readonly SubjectResult[],
  columns: { count: number; of: (result: SubjectResult) => T | undefined; row: (part: T) => string[] },
): string[][] {
  return results.flatMap((result) => {
    const found = columns.of(result);
    const row = found === undefined ? undefined : columns.row(found);
    if (row === undefined && result.unavailable === undefined) return [];
    const cells = row ?? Array<string>(columns.count).fill("-");
    return [[result.name, ...cells, note(result.unavailable)]];
  });
}

function startTable(results: readonly SubjectResult[]): Table {
  const of = (starts: readonly StartMs[], which: "initialize" | "firstList") =>
    show(median(starts.map((start) => start[which])), 0);
  const listed = (starts: readonly StartMs[]) =>
    `${starts.filter(({ isListed }) => isListed).length} of ${starts.length}`;
  return {
    title: "Start of a window, ms (warm: with what windows share running; cold: with nothing running)",
    head: [
      "subject",
      "initialize, warm",
      "first list, warm",
      "initialize, cold",
      "first list, cold",
      "with the server's tools",
      "note",
    ],
    rows: rowsOf(results, {
      count: 5,
      of: ({ start }) => start,
      row: ({ warm, cold }) => [
        of(warm, "initialize"),
        of(warm, "firstList"),
        of(cold, "initialize"),
        of(cold, "firstList"),
        `${listed(warm)}, ${listed(cold)}`,
      ],
    }),
  };
}

function windowTable(results: readonly SubjectResult[]): Table {
  return {
    title: `Windows (memory of all processes, ${MEMORY_KIND}, MiB; idle: all processes, % of a core)`,
    head: ["subject", "1 window", "all windows", "added each", "after use", "idle, all", "note"],
    rows: rowsOf(results, {
      count: 5,
      of: ({ windows }) => windows,
      row: (windows) => [
        show(windows.oneWindowMib, 1),
        show(windows.allWindowsMib, 1),
        show(windows.addedPerWindowMib, 1),
        show(windows.addedAfterUseMib, 1),
        show(windows.idlePercent, 2),
      ],
    }),
  };
}

function crowdTable(results: readonly SubjectResult[]): Table {
  return {
    title: `Many windows at rest (% of a core; ${MEMORY_KIND}, MiB)`,
    head: [
      "subject",
      "windows",
      "CPU of windows",
      "of the daemon",
      "of the server",
      "daemon MiB",
      "with one window",
      "a window MiB",
      "note",
    ],
    rows: rowsOf(results, {
      count: 7,
      of: ({ crowd }) => crowd,
      row: (crowd) => [
        String(crowd.windows),
        show(crowd.windowsPercent, 2),
        show(crowd.sharedPercent, 2),
        show(crowd.serversPercent, 2),
        show(crowd.sharedMib, 1),
        show(crowd.sharedAloneMib, 1),
        show(crowd.windowMib, 1),
      ],
    }),
  };
}

function callTable(results: readonly SubjectResult[]): Table {
  return {
    title: "Calls (CPU: µs of a call, of every process of the subject; the client's own is not counted)",
    head: [
      "subject",
      "windows x in flight",
      "p50 ms",
      "p99 ms",
      "calls/s",
      "slowest round",
      "fastest",
      "CPU",
      "of windows",
      "of what is shared",
      "note",
    ],
    rows: loadRows(results, 9, (load) => [
      load.p50Ms.toFixed(3),
      load.p99Ms.toFixed(3),
      perSecond(load.callsPerSecond),
      perSecond(Math.min(...load.rounds)),
      perSecond(Math.max(...load.rounds)),
      ...cpuCells(load),
    ]),
  };
}

function largeTable(results: readonly SubjectResult[]): Table {
  return {
    title: "Large texts (memory: how far the shared process rose above its rest, RSS, MiB)",
    head: [
      "subject",
      "windows x in flight",
      "p50 ms",
      "p99 ms",
      "CPU us/call",
      "of windows",
      "of what is shared",
      "memory, one call",
      "at most",
      "x the message",
      "note",
    ],
    rows: loadRows(results, 9, (load) => [
      load.p50Ms.toFixed(2),
      load.p99Ms.toFixed(2),
      ...cpuCells(load),
      show(load.firstCallRssBytes === undefined ? undefined : load.firstCallRssBytes / MIB, 1),
      show(load.peakRssBytes === undefined ? undefined : load.peakRssBytes / MIB, 1),
      show(multipleOf(load), 1),
    ]),
  };
}

/** A text of less is lost among what else the process does with its memory. */
const MEASURABLE_BYTES = 1e6;

function multipleOf({ peakRssBytes, shape: { payloadBytes = 0 } }: LoadResult): number | undefined {
  if (peakRssBytes === undefined || payloadBytes < MEASURABLE_BYTES) return undefined;
  return peakRssBytes / payloadBytes;
}

function cpuCells({ cpu }: LoadResult): string[] {
  return [show(cpu?.allUs, 0), show(cpu?.windowsUs, 0), show(cpu?.sharedUs, 0)];
}

function loadRows(
  results: readonly SubjectResult[],
  count: number,
  cells: (load: LoadResult) => string[],
): string[][] {
  return results.flatMap(({ name, loads = [], unavailable }) => {
    if (loads.length === 0) return unavailable ? [[name, ...Array(count).fill("-"), note(unavailable)]] : [];
    return loads.map((load) => {
      const shape = describeShape(load.shape);
      const measured = load.calls === 0 ? Array<string>(count - 1).fill("-") : cells(load);
      return [name, shape, ...measured, note(load.failure)];
    });
  });
}

function numberTable(results: readonly SubjectResult[]): Table {
  return {
    title: "Numbers passed on exactly (else the first that was changed)",
    head: ["subject", ...NUMBER_CHECKS, "note"],
    rows: rowsOf(results, {
      count: NUMBER_CHECKS.length,
      of: ({ numbers }) => numbers,
      row: (numbers) => NUMBER_CHECKS.map((check) => note(numbers[check])),
    }),
  };
}

function barTable(results: readonly SubjectResult[]): Table {
  const rows = checkBars(results).map(({ subject, figure, bar, measured, holds }) => [
    subject,
    figure,
    bar,
    measured,
    holds ? "holds" : "MISSED",
  ]);
  return { title: "Bars held before", head: ["subject", "figure", "bar", "measured", ""], rows };
}

const MAX_NOTE_CHARS = 100;

function note(fault = ""): string {
  return fault.length > MAX_NOTE_CHARS ? `${fault.slice(0, MAX_NOTE_CHARS)}...` : fault;
}

function perSecond(calls: number): string {
  return calls.toFixed(calls < 100 ? 1 : 0);
}

function show(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? "-" : value.toFixed(digits);
}
