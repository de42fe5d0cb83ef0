import type * as z from "zod";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Recorded, Turn } from "../conversation/thread_store.ts";
import type { ToolAnswer } from "./answer.ts";
import type { StepArgs } from "./fields.ts";
import { defineTool, type Tool, type ToolContext, type ToolSpec } from "./tool.ts";

/** How the last step ended: nothing to send, no doubt left, or with a model's opinion. */
export type Completion = "local" | "certain" | "expert";

/** What {@linkcode WorkflowSpec.finish} gives back. */
export interface Ending extends Pick<ToolAnswer, "model" | "provider" | "usage"> {
  completion: Completion;
  content: JsonObject;
}

/** The work so far: this step and all before it that still count, oldest first. */
export interface Work<Args> {
  args: Args;
  steps: readonly Args[];
  /** What `consolidate` made of the steps. */
  state: JsonObject;
}

/** A tool that works in steps, as its file writes it. */
export interface WorkflowSpec<Args extends StepArgs>
  extends Pick<ToolSpec<z.ZodObject>, "name" | "title" | "description"> {
  input: z.ZodObject & z.ZodType<Args>;
  /** Status of a step that others must follow: `pause_for_planning`. */
  pauseStatus: string;
  /** Status of the last step: `planning_complete`. */
  completeStatus: string;
  /** Arguments that the next step must repeat. */
  carry: readonly (keyof Args & string)[];
  /** The branch a step is on; all are on one line unless said otherwise. */
  branchOf?(args: Args): string;
  /** An answer that is no step of the work: a question back. */
  intercept?(args: Args): ToolAnswer | undefined;
  /**
   * Refuses a step that does not fit those before it.
   *
   * @throws {ExaiError} `INVALID_PARAMS` naming the field and what is allowed
   */
  check?(args: Args, earlier: readonly Args[]): void;
  /** Why the work is not done although the caller says so. */
  holdOpen?(args: Args): string | undefined;
  /** Everything the steps say, as one. */
  consolidate(steps: readonly Args[]): JsonObject;
  /** What the caller must do before its next step. */
  requiredActions(work: Work<Args>): string[];
  /** Ends the work. If it throws, the steps are kept and the last can be sent again. */
  finish(work: Work<Args>, context: ToolContext): Ending | Promise<Ending>;
}

/** Makes a tool of a {@linkcode WorkflowSpec}. What it knows is in the thread, never on the tool. */
export function defineWorkflow<Args extends StepArgs>(spec: WorkflowSpec<Args>): Tool {
  return defineTool({
    name: spec.name,
    title: spec.title,
    description: spec.description,
    input: spec.input,
    // A step that is sent twice replaces itself.
    annotations: { destructiveHint: false, idempotentHint: true, openWorldHint: false },
    run: (args, context) => runStep(spec, args as unknown as Args, context),
  });
}

async function runStep<Args extends StepArgs>(
  spec: WorkflowSpec<Args>,
  args: Args,
  context: ToolContext,
): Promise<ToolAnswer> {
  const aside = spec.intercept?.(args);
  if (aside) return aside;
  checkStart(args);
  spec.check?.(args, await earlierSteps(spec, args, context));
  const heldOpen = args.next_step_required ? undefined : spec.holdOpen?.(args);
  const isLast = !args.next_step_required && heldOpen === undefined;
  const recorded = await record(spec, args, { context, isLast });
  const steps = recorded.turns.flatMap(toArgs<Args>);
  const work = { args, steps, state: spec.consolidate(steps) };
  const { thread } = recorded;
  const continuation = { continuation_id: thread.id, remaining_turns: thread.remainingTurns };
  const position = describePosition(work, recorded, { isLast, heldOpen });
  if (!isLast) {
    const content = { ...position, ...describePause(spec, work, continuation) };
    return { status: spec.pauseStatus, content, continuation };
  }
  const { completion, content, ...by } = await spec.finish(work, context);
  return {
    status: spec.completeStatus,
    content: { ...position, completion, state: work.state, ...content },
    ...by,
    continuation,
  };
}

function checkStart({ step_number, continuation_id, backtrack_from_step }: StepArgs): void {
  if (continuation_id !== undefined) return;
  if (step_number > 1) {
    throw new ExaiError(
      "INVALID_PARAMS",
      `step_number is ${step_number} but continuation_id is missing: give the one the step before answered with, ` +
        "or begin new work with step_number 1",
    );
  }
  if (backtrack_from_step !== undefined) {
    throw new ExaiError(
      "INVALID_PARAMS",
      "backtrack_from_step needs the continuation_id of the work whose steps it drops",
    );
  }
}

/** The steps that stand before this one, without those it takes back. */
async function earlierSteps<Args extends StepArgs>(
  spec: WorkflowSpec<Args>,
  { continuation_id, backtrack_from_step = Infinity }: Args,
  { threads }: ToolContext,
): Promise<Args[]> {
  if (!continuation_id) return [];
  const { turns } = await threads.show(continuation_id, { tool: spec.name });
  return turns.flatMap(toArgs<Args>).filter(({ step_number }) => step_number < backtrack_from_step);
}

function record<Args extends StepArgs>(
  spec: WorkflowSpec<Args>,
  args: Args,
  { context, isLast }: { context: ToolContext; isLast: boolean },
): Promise<Recorded> {
  const { continuation_id, backtrack_from_step, ...request } = args;
  return context.threads.record({
    threadId: continuation_id,
    tool: spec.name,
    title: args.step,
    step: { number: args.step_number, branch: spec.branchOf?.(args) ?? "", last: isLast },
    request: request as JsonObject,
    dropFrom: backtrack_from_step,
  });
}

function toArgs<Args>({ step, request }: Turn): Args[] {
  return step === undefined ? [] : [request as unknown as Args];
}

function describePosition<Args extends StepArgs>(
  { args, steps }: Work<Args>,
  { dropped, replaced }: Recorded,
  { isLast, heldOpen }: { isLast: boolean; heldOpen: string | undefined },
): JsonObject {
  const { step_number } = args;
  return {
    step_number,
    total_steps: Math.max(args.total_steps, isLast ? step_number : step_number + 1),
    next_step_required: !isLast,
    not_finished: heldOpen,
    steps_kept: steps.map((step) => step.step_number),
    steps_dropped: args.backtrack_from_step === undefined ? undefined : dropped,
    step_replaced: replaced || undefined,
  };
}

function describePause<Args extends StepArgs>(
  spec: WorkflowSpec<Args>,
  work: Work<Args>,
  { continuation_id, remaining_turns }: { continuation_id: string; remaining_turns: number },
): JsonObject {
  const { args, state } = work;
  const step_number = args.step_number + 1;
  const carried = spec.carry.filter((name) => args[name] !== undefined).map((name) => [name, args[name]]);
  const next: JsonObject = {
    step: "(what you did since)",
    step_number,
    total_steps: Math.max(args.total_steps, step_number),
    next_step_required: step_number < args.total_steps,
    ...("findings" in args ? { findings: "(what you found)" } : {}),
    ...Object.fromEntries(carried),
    continuation_id,
  };
  const full = remaining_turns > 0 ? [] : [
    "The thread is full (MAX_CONVERSATION_TURNS): end the work by sending this step again with " +
    "next_step_required false, or make room with backtrack_from_step.",
  ];
  return {
    state,
    required_actions: [...spec.requiredActions(work), ...full],
    next_call: { tool: spec.name, arguments: next },
  };
}
