import { generatedPart, markdownTable } from "../markdown.ts";
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

/** The page `before` with these results in it; what people wrote below them stays. */
export function faultsPage(before: string, results: readonly FaultResult[], facts: RunFacts): string {
  return generatedPart(before || "# Faults under load\n", {
    name: "results",
    lines: linesOf(results, facts),
  });
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
    ...results.flatMap(notesOf).map((note) => `- ${note.replaceAll("\n", " ")}`),
    "",
  ];
}
