import { formatTable } from "../lib/table.ts";
import type { CaseResult } from "./run_case.ts";

/** All runs, as `--json` writes them and `--baseline` reads them. */
export interface EvalReport {
  at: string;
  commit: string;
  /** As it was asked for; undefined: the tools' own choice. */
  model?: string;
  judge?: string;
  results: CaseResult[];
}

/** What the runs of some cases come to. */
interface Sums {
  runs: number;
  failed: number;
  /** Shares of 1, over all runs; failed ones have found nothing. */
  found: number;
  judged: number;
  placeOnly: number;
  falseAlarms: number;
  others: number;
  tokens: number;
  seconds: number;
  /** The lowest and the highest share of found faults of one run over all cases. */
  range: [number, number];
}

/** The report as text: each tool, each repository, what no run has found, and how it differs from the baseline. */
export function formatEval(report: EvalReport, baseline?: EvalReport): string {
  const { results, judge } = report;
  const head = [
    "runs",
    "failed",
    "found",
    "of runs",
    ...(judge ? ["with judge"] : []),
    "place only",
    "false alarms",
    "others",
    "tokens",
    "seconds",
  ];
  const table = (title: string, keyOf: (result: CaseResult) => string) =>
    formatTable(
      [title, ...head],
      Array.from(Map.groupBy(results, keyOf), ([key, group]) => [key, ...cellsOf(sum(group), judge)]),
    );
  const parts = [
    table("tool and prompt", ({ tool, prompt }) => prompt ?? tool),
    table("repository", ({ repository }) => repository),
    neverFound(results),
    failures(results),
    ...(baseline ? [compare(report, baseline)] : []),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function cellsOf(sums: Sums, judge: string | undefined): string[] {
  const { runs, failed, found, judged, placeOnly, falseAlarms, others, tokens, seconds, range } = sums;
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  return [
    String(runs),
    String(failed),
    percent(found),
    range.map(percent).join(" - "),
    ...(judge ? [percent(judged)] : []),
    percent(placeOnly),
    (falseAlarms / runs).toFixed(1),
    (others / runs).toFixed(1),
    String(Math.round(tokens / runs)),
    (seconds / runs).toFixed(1),
  ];
}

function sum(results: readonly CaseResult[]): Sums {
  const total = (of: (result: CaseResult) => number) => results.reduce((all, one) => all + of(one), 0);
  const expected = total(({ expected }) => expected.length);
  const shares = Array.from(Map.groupBy(results, ({ run }) => String(run)).values(), shareFound);
  const found = total(({ score }) => score?.found.length ?? 0);
  return {
    runs: results.length,
    failed: results.filter(({ error }) => error !== undefined).length,
    found: found / expected,
    judged: (found + total(({ judged }) => judged?.length ?? 0)) / expected,
    placeOnly: total(({ score }) => score?.placeOnly.length ?? 0) / expected,
    falseAlarms: total(({ score }) => score?.falseAlarms.length ?? 0),
    others: total(({ score }) => score?.others.length ?? 0),
    tokens: total(({ inputTokens, outputTokens }) => inputTokens + outputTokens),
    seconds: total(({ seconds }) => seconds),
    range: [Math.min(...shares), Math.max(...shares)],
  };
}

function shareFound(results: readonly CaseResult[]): number {
  const expected = results.reduce((all, one) => all + one.expected.length, 0);
  return results.reduce((all, { score }) => all + (score?.found.length ?? 0), 0) / expected;
}

/** How often each fault was found, by tool, repository and fault. */
function foundByFault(results: readonly CaseResult[]): Map<string, { found: number; runs: number }> {
  const counts = new Map<string, { found: number; runs: number }>();
  for (const { tool, repository, expected, score } of results) {
    for (const fault of expected) {
      const key = `${tool}: ${repository}/${fault}`;
      const { found, runs } = counts.get(key) ?? { found: 0, runs: 0 };
      const isFound = score?.found.some((one) => one.fault === fault) === true;
      counts.set(key, { found: found + Number(isFound), runs: runs + 1 });
    }
  }
  return counts;
}

function neverFound(results: readonly CaseResult[]): string {
  const keys = Array.from(foundByFault(results)).filter(([, { found }]) => found === 0).map(([key]) => key);
  return keys.length === 0 ? "" : `never found:\n${keys.map((key) => `  ${key}`).join("\n")}`;
}

function failures(results: readonly CaseResult[]): string {
  const reasons = results.flatMap(({ error, judgeError }) =>
    error ?? (judgeError ? `judge: ${judgeError}` : [])
  );
  const lines = Array.from(
    Map.groupBy(reasons, (reason) => reason),
    ([reason, { length }]) => `  ${length} x ${reason}`,
  );
  return lines.length === 0 ? "" : `failed:\n${lines.join("\n")}`;
}

function compare(report: EvalReport, baseline: EvalReport): string {
  const byTool = (results: readonly CaseResult[]) => Map.groupBy(results, ({ tool }) => tool);
  const before = byTool(baseline.results);
  const rows = Array.from(byTool(report.results)).flatMap(([tool, results]) => {
    // Only what both have: a baseline of other repositories says nothing of these.
    const keys = new Set(results.map(caseKey));
    const old = (before.get(tool) ?? []).filter((result) => keys.has(caseKey(result)));
    const oldKeys = new Set(old.map(caseKey));
    const now = results.filter((result) => oldKeys.has(caseKey(result)));
    if (old.length === 0) return [];
    const change = Math.round((shareFound(now) - shareFound(old)) * 100);
    return [[
      tool,
      `${old[0]!.prompt ?? "?"} by ${old[0]!.model ?? "?"}`,
      `${now[0]!.prompt ?? "?"} by ${now[0]!.model ?? "?"}`,
      `${change > 0 ? "+" : ""}${change} points`,
    ]];
  });
  if (rows.length === 0) return "the baseline has none of these cases";
  const [now, old] = [foundByFault(report.results), foundByFault(baseline.results)];
  const changed = Array.from(now).flatMap(([key, { found, runs }]) => {
    const was = old.get(key);
    if (was === undefined) return [];
    const [share, oldShare] = [found / runs, was.found / was.runs];
    return Math.abs(share - oldShare) < 0.5 ? [] : [`  ${share > oldShare ? "gained" : "lost"} ${key}`];
  });
  return [formatTable(["against the baseline", "it was", "it is", "found"], rows), ...changed].join("\n");
}

function caseKey({ tool, repository, symptom = "" }: CaseResult): string {
  return `${tool} ${repository} ${symptom}`;
}
