import { formatTable } from "../lib/table.ts";
import type { FaultResult } from "./suite.ts";

export const HEAD = [
  "fault",
  "times",
  "calls",
  "ran",
  "errors",
  "re-run, allowed",
  "doubled",
  "lost",
  "wrong",
  "ran though denied",
  "worst recovery",
  "took",
];

const SHOWN = 12;

/** The results as rows under {@linkcode HEAD}. */
export function rowsOf(results: readonly FaultResult[]): string[][] {
  return results.map(rowOf);
}

/** The results as a table, and below it what must not have been. */
export function formatFaults(results: readonly FaultResult[]): string {
  const notes = results.flatMap(notesOf);
  return [formatTable(HEAD, rowsOf(results)), ...notes].join("\n");
}

function rowOf({ name, times, verdict, skipped, worstRecoveryMs, elapsedMs }: FaultResult): string[] {
  if (skipped !== undefined || !verdict) return [name, String(times), ...HEAD.slice(2).map(() => "-")];
  const errors = Object.entries(verdict.errors).map(([code, count]) => `${count} ${code}`).join(", ");
  return [
    name,
    String(times),
    String(verdict.calls),
    String(verdict.ran),
    errors || "none",
    String(verdict.rerun),
    String(verdict.doubled.length),
    String(verdict.lost.length),
    String(verdict.wrong.length),
    String(verdict.denied.length),
    `${(worstRecoveryMs / 1000).toFixed(1)} s`,
    `${(elapsedMs / 1000).toFixed(0)} s`,
  ];
}

export function notesOf({ name, verdict, skipped, failure, threads }: FaultResult): string[] {
  const notes: string[] = [];
  if (skipped !== undefined) notes.push(`${name}: skipped: ${skipped}`);
  if (failure !== undefined) notes.push(`${name}: failed: ${failure}`);
  if (threads !== undefined) notes.push(`${name}: ${threads}`);
  for (const kind of ["doubled", "lost", "wrong", "denied"] as const) {
    for (const what of [...new Set(verdict?.[kind])].slice(0, SHOWN)) notes.push(`${name}: ${kind}: ${what}`);
  }
  return notes;
}
