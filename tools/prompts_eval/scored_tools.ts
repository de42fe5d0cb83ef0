import { isObject, type Json, type JsonObject } from "../../lib/base/json.ts";
import type { Category, Fault, Planted } from "./planted.ts";
import type { Finding } from "./score.ts";

/** One question to a tool about a repository, and the faults that its answer should name. */
export interface EvalCase {
  tool: string;
  repository: Planted;
  /** The symptom of the question; undefined where the whole repository is asked about. */
  symptom?: string;
  faults: readonly Fault[];
  args: JsonObject;
}

interface ScoredTool {
  cases(repository: Planted): Omit<EvalCase, "tool" | "repository">[];
  /** What the analysis in its answer reports. */
  findings(analysis: JsonObject): Finding[];
}

const REVIEWED: readonly Category[] = ["correctness", "concurrency", "resource", "performance", "security"];

/** The tools whose answers name faults by place, in the order in which they run. */
export const SCORED_TOOLS: Readonly<Record<string, ScoredTool>> = {
  codereview: {
    cases: (repository) => whole(repository, { categories: REVIEWED, task: "Review this code" }),
    findings: listed("issues"),
  },
  secaudit: {
    cases: (repository) =>
      whole(repository, {
        categories: ["security"],
        task: "Audit the security of this code",
        more: { threat_level: "high" },
      }),
    findings: listed("vulnerabilities"),
  },
  precommit: {
    cases: ({ faults, change }) => {
      if (change === undefined) return [];
      const step = `Check this change before it is committed. It is meant to ${change}.`;
      return [{ faults: faults.filter(({ inChange }) => inChange), args: stepOf(step, { path: "." }) }];
    },
    findings: listed("issues"),
  },
  debug: {
    cases: ({ faults, symptoms, files }) =>
      symptoms.map(({ fault, report }) => ({
        symptom: fault,
        faults: faults.filter(({ id }) => id === fault),
        args: stepOf(report, { relevant_files: [...files] }),
      })),
    findings: ({ root_cause }) => isObject(root_cause) ? [toFinding(root_cause)] : [],
  },
  testgen: {
    cases: (repository) =>
      whole(repository, { categories: ["correctness"], task: "Write tests for this code" }),
    findings: listed("suspected_bugs"),
  },
  refactor: {
    cases: (repository) =>
      whole(repository, { categories: ["smell"], task: "Plan the refactoring of this code" }),
    findings: listed("opportunities"),
  },
};

interface WholeOptions {
  /** The faults to look for. */
  categories: readonly Category[];
  task: string;
  /** Arguments of the tool's own. */
  more?: JsonObject;
}

/** One question about a whole repository, unless it has no fault of the categories. */
function whole(
  { faults, files, about }: Planted,
  { categories, task, more = {} }: WholeOptions,
): Omit<EvalCase, "tool" | "repository">[] {
  const expected = faults.filter(({ category }) => categories.includes(category));
  if (expected.length === 0) return [];
  return [{
    faults: expected,
    args: stepOf(`${task}: ${about}.`, { relevant_files: [...files], ...more }),
  }];
}

/** The only step of an investigation in which nothing was found yet: the model does all the work. */
function stepOf(step: string, more: JsonObject): JsonObject {
  return {
    step,
    step_number: 1,
    total_steps: 1,
    next_step_required: false,
    findings: "Nothing was looked at yet.",
    ...more,
  };
}

function listed(field: string): ScoredTool["findings"] {
  return ({ [field]: list }) => Array.isArray(list) ? list.filter(isObject).map(toFinding) : [];
}

/** Fields that give a place where a model has not kept to `location`. */
const PLACE_FIELDS = ["location", "file", "path", "line", "lines"];

function toFinding(entry: JsonObject): Finding {
  const place = typeof entry.location === "string" ? entry.location : PLACE_FIELDS
    .flatMap((field) => textsIn(entry[field])).join(":");
  return { location: place, text: textsIn(entry).join("\n") };
}

function textsIn(value: Json | undefined): string[] {
  if (typeof value === "string" || typeof value === "number") return [String(value)];
  if (Array.isArray(value)) return value.flatMap(textsIn);
  return isObject(value) ? Object.values(value).flatMap(textsIn) : [];
}

/** The questions to `tools` about `repositories`. */
export function casesOf(tools: readonly string[], repositories: readonly Planted[]): EvalCase[] {
  return tools.flatMap((tool) =>
    repositories.flatMap((repository) =>
      SCORED_TOOLS[tool]!.cases(repository).map((one): EvalCase => ({ tool, repository, ...one }))
    )
  );
}
