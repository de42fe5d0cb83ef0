import type * as z from "zod";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Recorded, Thread, Turn } from "../state/thread_store.ts";
import type { Continuation, ToolOutput } from "./tool_output.ts";
import type { StepArgs } from "./fields.ts";
import { STEPWISE } from "./annotations.ts";
import { defineTool, type Tool, type ToolContext, type ToolSpec } from "./tool.ts";

/** How the last step ended: nothing to send, no doubt left, with a model's opinion, or with a model that failed. */
type Completion = "local" | "certain" | "expert" | "error";

/** What {@linkcode WorkflowSpec.finish} gives back. With `failure` the work is not over: the step can be repeated. */
export interface WorkflowResult
  extends Pick<ToolOutput, "model" | "provider" | "usage" | "facts" | "failure"> {
  completion: Completion;
  content: JsonObject;
  /** What the thread keeps as the answer to the last step; nothing if it follows from the steps. */
  reply?: JsonObject;
}

/** The work so far: this step and all before it that still count, oldest first. */
export interface WorkflowRun<Args> {
  args: Args;
  steps: readonly Args[];
  /** What `consolidate` made of the steps. */
  state: JsonObject;
}

/** A tool that works in steps, as its file writes it. */
export interface WorkflowSpec<Args extends StepArgs>
  extends Pick<ToolSpec<z.ZodObject>, "name" | "title" | "description" | "ignores"> {
  /** Unless said otherwise the tool asks nobody, and a step that is sent again does no harm. */
  annotations?: ToolSpec<z.ZodObject>["annotations"];
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
  intercept?(args: Args): ToolOutput | undefined;
  /**
   * Refuses a step that does not fit those before it.
   *
   * @throws {ExaiError} `INVALID_PARAMS` naming the field and what is allowed
   */
  check?(args: Args, earlier: readonly Args[], context: ToolContext): void | Promise<void>;
  /** The arguments as the thread keeps them; all of them unless said otherwise. */
  toRequest?(args: Args): JsonObject;
  /** Why the work is not done although the caller says so. */
  holdOpen?(args: Args): string | undefined;
  /** Everything the steps say, as one. */
  consolidate(steps: readonly Args[]): JsonObject;
  /** What the caller must do before its next step. */
  requiredActions(work: WorkflowRun<Args>): string[];
  /** What the next call has beside `carry`, or in its place. */
  nextArguments?(work: WorkflowRun<Args>): JsonObject;
  /** What else the answer to a step that others must follow says. */
  describePause?(work: WorkflowRun<Args>, context: ToolContext): Promise<JsonObject | undefined>;
  /** Ends the work. If it throws, the steps are kept and the last can be sent again. */
  finish(work: WorkflowRun<Args>, context: ToolContext): WorkflowResult | Promise<WorkflowResult>;
}

/** Makes a tool of a {@linkcode WorkflowSpec}. What it knows is in the thread, never on the tool. */
export function defineWorkflow<Args extends StepArgs>(spec: WorkflowSpec<Args>): Tool {
  return defineTool({
    name: spec.name,
    title: spec.title,
    description: spec.description,
    input: spec.input,
    ignores: spec.ignores,
    annotations: spec.annotations ?? STEPWISE,
    run: (args, context) => runStep(spec, args as unknown as Args, context),
  });
}

async function runStep<Args extends StepArgs>(
  spec: WorkflowSpec<Args>,
  args: Args,
  context: ToolContext,
): Promise<ToolOutput> {
  const aside = spec.intercept?.(args);
  if (aside) return aside;
  checkStart(args);
  await spec.check?.(args, await earlierSteps(spec, args, context), context);
  const heldOpen = args.next_step_required ? undefined : spec.holdOpen?.(args);
  const isLast = !args.next_step_required && heldOpen === undefined;
  const recorded = await record(spec, args, context);
  const steps = recorded.turns.flatMap(toArgs<Args>);
  const work = { args, steps, state: spec.consolidate(steps) };
  const position = describePosition(work, recorded, { isLast, heldOpen });
  const continuation = continuationOf(recorded.thread);
  if (isLast) return await end(spec, work, { context, position, continuation });
  const more = await spec.describePause?.(work, context);
  const content = { ...position, ...describePause(spec, work, continuation), ...more };
  return { status: spec.pauseStatus, content, continuation };
}

interface FinishContext {
  context: ToolContext;
  position: JsonObject;
  continuation: Continuation;
}

async function end<Args extends StepArgs>(
  spec: WorkflowSpec<Args>,
  work: WorkflowRun<Args>,
  { context, position, continuation }: FinishContext,
): Promise<ToolOutput> {
  const { completion, content, reply, ...by } = await spec.finish(work, context);
  const { state, args } = work;
  if (by.failure) {
    const { continuation_id } = continuation;
    const again = {
      tool: spec.name,
      arguments: { ...args, continuation_id, backtrack_from_step: undefined },
    };
    return { content: { ...position, completion, state, ...content, next_call: again }, ...by, continuation };
  }
  // Only now is the work over: had the end failed, the step would still stand open.
  const { continuation_id } = continuation;
  const kept = await record(spec, { ...args, continuation_id, backtrack_from_step: undefined }, context, {
    isLast: true,
    reply,
  }).catch((thrown) => ({ note: notStoredNote(thrown) }));
  return {
    status: spec.completeStatus,
    content: { ...position, completion, state, ...content, ...("note" in kept ? kept : {}) },
    ...by,
    continuation: "thread" in kept ? continuationOf(kept.thread) : undefined,
  };
}

function continuationOf({ id, remainingTurns }: Thread): Continuation {
  return { continuation_id: id, remaining_turns: remainingTurns };
}

/** What to say when an answer is there and its thread is not: the answer has been paid for and must not be lost. */
export function notStoredNote(thrown: unknown): string {
  return `this answer could not be added to its thread: ${ExaiError.from(thrown).message}`;
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
  { threads }: ToolContext,
  { isLast = false, reply }: { isLast?: boolean; reply?: JsonObject } = {},
): Promise<Recorded> {
  const { continuation_id: _thread, backtrack_from_step: _from, ...request } = spec.toRequest?.(args) ??
    (args as JsonObject);
  return threads.record({
    threadId: args.continuation_id,
    tool: spec.name,
    title: args.step,
    step: { number: args.step_number, branch: spec.branchOf?.(args) ?? "", last: isLast },
    request,
    reply,
    dropFrom: args.backtrack_from_step,
  });
}

function toArgs<Args>({ step, request }: Turn): Args[] {
  return step === undefined ? [] : [request as unknown as Args];
}

function describePosition<Args extends StepArgs>(
  { args, steps }: WorkflowRun<Args>,
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
  work: WorkflowRun<Args>,
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
    ...spec.nextArguments?.(work),
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
