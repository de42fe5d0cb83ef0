import type { Json, JsonObject } from "../base/json.ts";
import { type InvestigationArgs, SEVERITIES } from "./fields.ts";

/** Merges the steps of an investigation: distinct files, names and issues, the latest confidence and hypothesis. */
export function consolidateFindings(steps: readonly InvestigationArgs[]): JsonObject {
  return {
    files_checked: unionOf(steps, "files_checked"),
    relevant_files: unionOf(steps, "relevant_files"),
    relevant_context: unionOf(steps, "relevant_context"),
    issues_by_severity: issuesBySeverity(steps),
    confidence: steps.findLast((step) => step.confidence)?.confidence ?? "exploring",
    hypothesis: steps.findLast((step) => step.hypothesis)?.hypothesis,
  };
}

/** Lists the findings of each step, for the final output. */
export function listFindings(steps: readonly InvestigationArgs[]): JsonObject[] {
  return steps.map(({ step_number, step, findings }) => ({ step_number, step, findings }));
}

type ListField = "files_checked" | "relevant_files" | "relevant_context";

/** Returns the distinct entries of `field` in all steps. */
export function unionOf(steps: readonly InvestigationArgs[], field: ListField): string[] {
  return [...new Set(steps.flatMap((step) => step[field] ?? []))];
}

function issuesBySeverity(steps: readonly InvestigationArgs[]): JsonObject {
  const issues = steps.flatMap((step) => step.issues_found ?? []);
  const unique = new Map(issues.map((issue) => [`${issue.severity} ${issue.description}`, issue]));
  const grouped: JsonObject = {};
  for (const severity of SEVERITIES) {
    const group = [...unique.values()].filter((issue) => issue.severity === severity);
    if (group.length > 0) grouped[severity] = group.map(({ severity: _, ...rest }) => rest as Json);
  }
  return grouped;
}
