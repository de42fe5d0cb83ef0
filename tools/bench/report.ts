import { formatTable } from "../lib/table.ts";
import { checkBars } from "./bars.ts";
import type { LoadResult, SubjectResult } from "./result.ts";
import { median, percentile } from "./stats.ts";
import { describeShape } from "./subject.ts";
import { MEMORY_KIND } from "./usage.ts";

/** `results` for a person. */
export function formatReport(results: readonly SubjectResult[], options: { windows: number }): string {
  return [loadTable(results), windowTable(results, options), barTable(results)]
    .filter((part) => part !== "").join("\n\n");
}

function loadTable(results: readonly SubjectResult[]): string {
  const head = ["subject", "windows x in flight", "p50 ms", "p99 ms", "calls/s", "CPU us/call", "note"];
  const rows = results.flatMap((result) => {
    if (result.loads.length === 0) return [[result.name, ...Array(5).fill("-"), note(result.unavailable)]];
    return result.loads.map((load) => [result.name, ...loadRow(load)]);
  });
  return `Calls (CPU: of every process of the subject; the client's own is not counted)\n\n${
    formatTable(head, rows)
  }`;
}

function loadRow(load: LoadResult): string[] {
  const shape = describeShape(load.shape);
  if (load.calls === 0) return [shape, ...Array(4).fill("-"), note(load.failure)];
  return [
    shape,
    load.p50Ms.toFixed(3),
    load.p99Ms.toFixed(3),
    load.callsPerSecond.toFixed(load.callsPerSecond < 100 ? 1 : 0),
    show(load.cpuUsPerCall, 0),
    note(load.failure),
  ];
}

function windowTable(results: readonly SubjectResult[], { windows }: { windows: number }): string {
  const head = [
    "subject",
    "initialize ms",
    "slowest",
    "1 window MiB",
    `${windows} windows MiB`,
    "added each MiB",
    "after use MiB",
    "idle CPU %",
  ];
  const rows = results.flatMap(({ name, windows }) => {
    if (!windows) return [];
    return [[
      name,
      median(windows.initializeMs).toFixed(0),
      percentile(Float64Array.from(windows.initializeMs).sort(), 100).toFixed(0),
      show(windows.oneWindowMib, 1),
      show(windows.allWindowsMib, 1),
      show(windows.addedPerWindowMib, 1),
      show(windows.addedAfterUseMib, 1),
      show(windows.idlePercent, 2),
    ]];
  });
  if (rows.length === 0) return "";
  return `Windows (start to initialize, median of ${windows}; memory of all processes, ${MEMORY_KIND}; ` +
    `idle: all processes, ${windows} windows, % of a core)\n\n${formatTable(head, rows)}`;
}

function barTable(results: readonly SubjectResult[]): string {
  const bars = checkBars(results);
  if (bars.length === 0) return "";
  const rows = bars.map(({ subject, figure, bar, measured, holds }) => [
    subject,
    figure,
    bar,
    measured,
    holds ? "holds" : "MISSED",
  ]);
  return `Bars\n\n${formatTable(["subject", "figure", "bar", "measured", ""], rows)}`;
}

const MAX_NOTE_CHARS = 100;

function note(fault = ""): string {
  return fault.length > MAX_NOTE_CHARS ? `${fault.slice(0, MAX_NOTE_CHARS)}...` : fault;
}

function show(value: number | undefined, digits: number): string {
  return value === undefined ? "-" : value.toFixed(digits);
}
