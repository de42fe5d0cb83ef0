import * as z from "zod";
import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { promptId } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { MODEL_FIELD_NAMES, stepFields } from "../fields.ts";
import text from "../prompts/planner.md" with { type: "text" };
import { defineWorkflow } from "../workflow.ts";

/** Plans with this many steps get more instructions before they go into detail. */
const LARGE_PLAN_STEPS = 5;

const stepNumber = z.int().min(1).optional();

const input = z.object({
  ...stepFields,
  is_step_revision: z.boolean().optional(),
  revises_step_number: stepNumber,
  is_branch_point: z.boolean().optional(),
  branch_from_step: stepNumber,
  branch_id: z.string().min(1).max(100).optional().describe("name of the alternative this step belongs to"),
  more_steps_needed: z.boolean().optional(),
});

type PlannerArgs = z.output<typeof input>;

const document = new PromptDocument(text);

/** Plans step by step, with revisions and branches for alternatives. */
export const planner = defineWorkflow<PlannerArgs>({
  name: "planner",
  title: "Planner",
  description: "Plan a task step by step, with revisions and branches. Step 1 states the task.",
  input,
  ignores: MODEL_FIELD_NAMES,
  promptId: promptId(document),
  pauseStatus: "pause_for_planning",
  completeStatus: "planning_complete",
  carry: ["branch_id"],
  branchOf: ({ branch_id }) => branch_id ?? "",
  check(args, earlier) {
    checkRevision(args, earlier);
    checkBranch(args, earlier);
  },
  holdOpen: ({ more_steps_needed }) =>
    more_steps_needed ? "more_steps_needed is true, so the plan is not complete" : undefined,
  consolidate: outline,
  requiredActions: ({ args }) => actionsFor(args),
  finish: ({ steps }) => ({
    completion: "local",
    content: { plan: writePlan(steps), presentation: document.text("Presentation") },
  }),
});

function checkRevision(args: PlannerArgs, earlier: readonly PlannerArgs[]): void {
  const { is_step_revision, revises_step_number: revised } = args;
  if (revised === undefined) {
    if (is_step_revision) {
      throw invalidParams("revises_step_number is required when is_step_revision is true");
    }
    return;
  }
  if (revised === args.step_number) {
    throw invalidParams(
      "revises_step_number must name an earlier step; to replace this one just send it again",
    );
  }
  checkKnown("revises_step_number", revised, earlier);
}

function checkBranch(args: PlannerArgs, earlier: readonly PlannerArgs[]): void {
  const { is_branch_point, branch_from_step: from, branch_id } = args;
  if (is_branch_point || from !== undefined) {
    if (from === undefined) throw invalidParams("branch_from_step is required when is_branch_point is true");
    if (branch_id === undefined) {
      throw invalidParams("branch_id is required where a branch begins: give it a name");
    }
    checkKnown("branch_from_step", from, earlier);
    return;
  }
  const branches = branchesIn(earlier);
  if (branch_id === undefined || branches.includes(branch_id)) return;
  const known = branches.length === 0 ? "none yet" : branches.join(", ");
  throw invalidParams(
    `branch_id ${JSON.stringify(branch_id)} is no branch of this plan (known: ${known}); to begin it set ` +
      "is_branch_point and branch_from_step",
  );
}

function checkKnown(field: string, number: number, earlier: readonly PlannerArgs[]): void {
  const known = [...new Set(earlier.map((step) => step.step_number))];
  if (known.includes(number)) return;
  throw invalidParams(
    `${field} is ${number}, which is no step of this plan (known: ${known.join(", ") || "none"})`,
  );
}

function invalidParams(message: string): ExaiError {
  return new ExaiError("INVALID_PARAMS", message);
}

function branchesIn(steps: readonly PlannerArgs[]): string[] {
  return [...new Set(steps.flatMap(({ branch_id }) => branch_id ?? []))];
}

/** Outlines the plan without its text, which the caller has. */
function outline(steps: readonly PlannerArgs[]): JsonObject {
  return {
    steps: steps.map(({ step_number, branch_id, branch_from_step, revises_step_number }) => ({
      step_number,
      branch_id,
      branch_from_step,
      revises_step_number,
    })),
    branches: branchesIn(steps),
  };
}

/** Writes the plan: the main line and each branch in order, with the latest revision of each step. */
function writePlan(steps: readonly PlannerArgs[]): JsonObject {
  const revisions = new Map<PlannerArgs, PlannerArgs>();
  for (const step of steps) {
    const revised = originalOf(step, steps);
    if (revised !== step) revisions.set(revised, step);
  }
  const line = (branch: string | undefined) =>
    steps.filter((step) => step.branch_id === branch && originalOf(step, steps) === step)
      .sort((a, b) => a.step_number - b.step_number)
      .map((step) => writeStep(step, revisions.get(step)));
  const branches = branchesIn(steps).map((branch_id) => ({
    branch_id,
    from_step: steps.find((step) => step.branch_id === branch_id)?.branch_from_step,
    steps: line(branch_id),
  }));
  return { steps: line(undefined), branches };
}

function writeStep({ step_number, step }: PlannerArgs, revision: PlannerArgs | undefined): JsonObject {
  if (revision === undefined) return { step_number, step };
  return { step_number, step: revision.step, revised_in_step: revision.step_number };
}

/** Follows revisions back to the original step; returns `step` if it revises no existing step. */
function originalOf(step: PlannerArgs, all: readonly PlannerArgs[]): PlannerArgs {
  const seen = new Set([step]);
  for (let current = step;;) {
    const revised = all.filter((other) => other.step_number === current.revises_step_number);
    const next = revised.find(({ branch_id }) => branch_id === current.branch_id) ?? revised[0];
    if (next === undefined) return current;
    // Steps that revise each other count as originals.
    if (seen.has(next)) return step;
    seen.add(next);
    current = next;
  }
}

function actionsFor({ step_number, total_steps }: PlannerArgs): string[] {
  const isLarge = total_steps >= LARGE_PLAN_STEPS;
  const large = `Step ${step_number} of a large plan`;
  const forLarge = isLarge && document.find("Steps", large) !== undefined
    ? document.items("Steps", large)
    : undefined;
  if (step_number === 1) return [...document.items("Steps", "Step 1"), ...forLarge ?? []];
  return forLarge ?? document.items("Steps", "Further steps");
}
