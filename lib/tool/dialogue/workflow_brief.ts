import type { JsonObject } from "../../base/json.ts";
import type { WorkflowArgs } from "../fields.ts";
import type { WorkflowRun } from "../workflow.ts";

/** Explanations of options for the model. */
const HINTS: Readonly<Record<string, string>> = {
  severity_filter: "leave out what is less severe",
  path: "the repository",
};

/** Writes an investigation as a question to a model; `ownFields` are the options specific to the tool. */
export function writeBrief<Args extends WorkflowArgs>(
  { steps, state }: WorkflowRun<Args>,
  ownFields: readonly (keyof Args & string)[],
): string {
  const options = ownFields.flatMap((field) => {
    const value = steps.findLast((step) => step[field] !== undefined)?.[field];
    if (value === undefined) return [];
    const hint = HINTS[field] === undefined ? "" : ` (${HINTS[field]})`;
    return [`- ${field}: ${Array.isArray(value) ? value.join("; ") : value}${hint}`];
  });
  const [first] = steps;
  const sections = steps.map((one) => {
    const step = one === first ? "" : `${one.step}\n\n`;
    return `## Step ${one.step_number}\n${step}Findings: ${one.findings}${writeHypothesis(one)}`;
  });
  return [
    section("Task", first?.step ?? ""),
    section("Options", options.join("\n")),
    section("Work so far", sections.join("\n\n")),
    section("What is known", JSON.stringify(known(state), null, 1)),
    "Answer in the form that the system message asks for.",
  ].filter((part) => part !== "").join("\n\n");
}

/** How the hypothesis changed tells the model what has been ruled out. */
function writeHypothesis({ hypothesis, confidence }: WorkflowArgs): string {
  if (hypothesis === undefined) return "";
  return `\nHypothesis${confidence === undefined ? "" : ` (confidence ${confidence})`}: ${hypothesis}`;
}

function known({ issues_by_severity, ...state }: JsonObject): JsonObject {
  const entries = Object.entries({ ...state, reported_issues: issues_by_severity });
  return Object.fromEntries(entries.filter(([, value]) => !isBlank(value)));
}

function isBlank(value: unknown): boolean {
  return value === undefined ||
    (typeof value === "object" && value !== null && Object.keys(value).length === 0);
}

function section(title: string, text: string): string {
  return text === "" ? "" : `# ${title}\n${text}`;
}
