import { HEAD, notesOf, rowsOf } from "./report.ts";
import type { FaultResult } from "./suite.ts";

/** What the results were had with. */
export interface RunFacts {
  /** Day of the run. */
  date: string;
  /** Commit of the code, and whether it had been changed since. */
  commit: string;
  /** Machine and runtime, in words. */
  where: string;
  seed: number;
  windows: number;
  elapsedMs: number;
}

const BEGIN = "<!-- generated: results -->";
const END = "<!-- end -->";

/** The page `before` with these results in it; what people wrote below them stays. */
export function faultsPage(before: string, results: readonly FaultResult[], facts: RunFacts): string {
  const part = [BEGIN, "", ...linesOf(results, facts), END].join("\n");
  const [begin, end] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (begin < 0 || end < begin) return `# Faults under load\n\n${part}\n`;
  return before.slice(0, begin) + part + before.slice(end + END.length);
}

function linesOf(results: readonly FaultResult[], facts: RunFacts): string[] {
  const { date, commit, where, seed, windows, elapsedMs } = facts;
  return [
    `${date}, ${where}, from source, commit ${commit}, seed ${seed}, ${
      (elapsedMs / 60_000).toFixed(0)
    } minutes.`,
    "",
    `${windows} windows with real shims call a mounted counter without pause, two calls each in flight. The counter`,
    "writes down each execution outside of the state directory. Every answer is held against that record, and the",
    "threads that `threads export` shows against those that were confirmed. Repeat: `deno task faults` (`--only TEXT`,",
    "`--times N`, `--seed N`).",
    "",
    markdownTable(HEAD, rowsOf(results)),
    "",
    ...results.flatMap(notesOf).map((note) => `- ${note.replaceAll("\n", " ")}`),
    "",
  ];
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
