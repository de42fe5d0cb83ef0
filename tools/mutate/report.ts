import type { Arguments } from "./argued.ts";
import type { Outcome, Verdict } from "./judge.ts";

export interface ReportOptions {
  /** How the mutants were chosen, in a sentence. */
  chosen: string;
  /** The commit that was changed. */
  commit: string;
  arguments: Arguments;
}

type Column = Outcome | "equivalent";

/** What came of each mutant, as a page of docs/reports/. */
export function formatReport(verdicts: readonly Verdict[], options: ReportOptions): string {
  const survivors = verdicts.filter(({ outcome }) => outcome === "survived" || outcome === "unreached");
  const isEquivalent = ({ mutant }: Verdict) => options.arguments.about(mutant)?.equivalent === true;
  const cut = verdicts.filter(({ isPartial }) => isPartial).length;
  return [
    "# Mutation run",
    "",
    "`deno task mutate` changes the code in one small way at a time (a condition negated, a bound moved, a statement",
    "taken out) and runs the tests that reach the changed place. A change that no test notices, a survivor, is a line",
    "whose behaviour nothing holds. A change that makes a test hang counts as noticed. A change that can mean nothing",
    "by construction, as of what the log says, is not made; `deno task mutate --help` names the kinds.",
    "",
    `${options.chosen} Code: ${options.commit}.`,
    "",
    ...scoreTable(verdicts, isEquivalent),
    "",
    "The score is what was noticed of all that count; an equivalent change, one that makes no difference to anybody,",
    "does not count." +
    (cut > 0
      ? ` For ${cut} of the survivors not every test that reaches the place was run, for want of time.`
      : ""),
    "",
    ...scoreTable(verdicts, isEquivalent, { head: "operator", groupBy: byOperator }),
    "",
    "## Survivors",
    "",
    ...survivorTable(survivors.filter((verdict) => !isEquivalent(verdict)), options.arguments),
    "",
    "## Equivalent",
    "",
    ...survivorTable(survivors.filter(isEquivalent), options.arguments),
    "",
  ].join("\n");
}

type GroupBy = (verdict: Verdict) => string;

const byRoom: GroupBy = ({ mutant }) => `\`${mutant.file.split("/")[1]}\``;
const byOperator: GroupBy = ({ mutant }) => mutant.operator;

/** One line for each room, or other group, and one for all. */
export function scoreTable(
  verdicts: readonly Verdict[],
  isEquivalent: (verdict: Verdict) => boolean,
  { head = "room", groupBy = byRoom } = {},
): string[] {
  const groups = Map.groupBy(verdicts, groupBy);
  const row = (name: string, list: readonly Verdict[]) => {
    const count = (column: Column) =>
      list.filter((verdict) => columnOf(verdict, isEquivalent(verdict)) === column).length;
    const noticed = count("killed") + count("timeout");
    const counted = list.length - count("equivalent");
    const score = counted === 0 ? "-" : `${(100 * noticed / counted).toFixed(1)} %`;
    const columns = ["killed", "timeout", "survived", "unreached", "equivalent"] as const;
    return `| ${[name, list.length, ...columns.map(count), score].join(" | ")} |`;
  };
  return [
    `| ${head} | mutants | failed a test | made one hang | survived | reached by no test | equivalent | score |`,
    "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ...[...groups].sort(([a], [b]) => a < b ? -1 : 1).map(([name, list]) => row(name, list)),
    row("all", verdicts),
  ];
}

function columnOf({ outcome }: Verdict, isEquivalent: boolean): Column {
  const lives = outcome === "survived" || outcome === "unreached";
  return lives && isEquivalent ? "equivalent" : outcome;
}

function survivorTable(verdicts: readonly Verdict[], argued: Arguments): string[] {
  if (verdicts.length === 0) return ["None."];
  const sorted = verdicts.toSorted((a, b) =>
    a.mutant.file < b.mutant.file ? -1 : a.mutant.file > b.mutant.file ? 1 : a.mutant.line - b.mutant.line
  );
  return [
    "| place | operator | code | in its place | why it lives |",
    "| --- | --- | --- | --- | --- |",
    ...sorted.map(({ mutant, outcome }) => {
      const why = argued.about(mutant)?.reason ?? (outcome === "unreached" ? "no test reaches it" : "");
      const { file, line, operator, code, replacement } = mutant;
      return `| ${file}:${line} | ${operator} | ${inCell(code)} | ${inCell(replacement)} | ${why} |`;
    }),
  ];
}

const MAX_CELL_CHARS = 100;

function inCell(code: string): string {
  const short = code.length > MAX_CELL_CHARS ? `${code.slice(0, MAX_CELL_CHARS)} ...` : code;
  // A bar ends the cell even in code; a backtick would end the code.
  return `\`\` ${short.replaceAll("|", "\\|")} \`\``;
}
