import { generatedPart, markdownTable } from "../markdown.ts";
import { type BenchReport, type PartReport, sectionsOf } from "./report.ts";
import type { Part } from "./suite.ts";

const TITLE = "Speed and memory, the last run of each part";

/** The page `before` with the tables of `report` in it; what people wrote below them stays. */
export function benchPage(before: string, report: BenchReport): string {
  const sections = sectionsOf(report).flatMap(({ title, part, head, rows }) => [
    `## ${title}`,
    "",
    ...(part ? [factsOf(part, report.parts[part]!), ""] : []),
    markdownTable(head, rows),
  ]);
  return generatedPart(before || `# ${TITLE}\n`, { name: "results", lines: sections });
}

function factsOf(part: Part, { at, commit, machine, rounds, roundMs }: PartReport): string {
  const how = `medians of ${rounds} rounds of ${roundMs / 1000} s`;
  return `${at.slice(0, 16).replace("T", " ")}, ${Object.values(machine).join(", ")}, commit ${commit}; ` +
    `\`deno task bench --peers --part ${part}\`, ${how}.`;
}
