import type * as z from "zod";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Recorded, Turn } from "../state/thread_store.ts";
import { STEPWISE } from "./annotations.ts";
import { makeRoom, withRoom } from "./dialogue/make_room.ts";
import { continuationOf, notStoredNote } from "./dialogue/store_exchange.ts";
import type { StepArgs } from "./fields.ts";
import { defineTool, type Tool, type ToolContext, type ToolSpec } from "./tool.ts";
import type { Continuation, ToolOutput } from "./tool_output.ts";

/** How the last step ended: without a model, with certainty, with a model's opinion, or with the error of a model. */
type Completion = "local" | "certain" | "expert" | "error";

/** The result of {@linkcode WorkflowSpec.finish}. With `failure` the last step stays open and can be repeated. */
export interface WorkflowResult
  extends Pick<ToolOutput, "model" | "provider" | "usage" | "facts" | "failure"> {
  completion: Completion;
  content: JsonObject;
  /** The reply to store in the thread; omitted if it follows from the steps. */
  reply?: JsonObject;
}

/** The state of a workflow: the current step and all valid steps, oldest first. */
export interface WorkflowRun<Args> {
  args: Args;
  steps: readonly Args[];
  /** The result of `consolidate`. */
  state: JsonObject;
}

/** The definition of a stepwise tool for {@linkcode defineWorkflow}. */
export interface WorkflowSpec<Args extends StepArgs>
  extends Pick<ToolSpec<z.ZodObject>, "name" | "title" | "description" | "ignores" | "needs"> {
  /** Defaults to {@linkcode STEPWISE}. */
  annotations?: ToolSpec<z.ZodObject>["annotations"];
  input: z.ZodObject & z.ZodType<Args>;
  /** The prompt that the instructions come from; the metadata of each answer names it. */
  promptId?: string;
  /** The status of every step but the last, such as `pause_for_planning`. */
  pauseStatus: string;
  /** The status of the last step, such as `planning_complete`. */
  completeStatus: string;
  /** Arguments to repeat in the next step. */
  carry: readonly (keyof Args & string)[];
  /** The branch of a step; defaults to the main line. */
  branchOf?(args: Args): string;
  /** Returns an output instead of recording a step, such as a question to the user. */
  intercept?(args: Args): ToolOutput | undefined;
  /**
   * Validates a step against the earlier ones.
   *
   * @throws {ExaiError} `INVALID_PARAMS` naming the field and what is allowed
   */
  check?(args: Args, earlier: readonly Args[], context: ToolContext): void | Promise<void>;
  /** The arguments to store in the thread; defaults to all of them. */
  toRequest?(args: Args): JsonObject;
  /** Why the workflow continues although the caller set `next_step_required` to false. */
  holdOpen?(args: Args): string | undefined;
  /** Merges the steps into one state. */
  consolidate(steps: readonly Args[]): JsonObject;
  /** Instructions for the caller before the next step. */
  requiredActions(run: WorkflowRun<Args>): string[];
  /** Arguments of the next call besides `carry`; they take precedence. */
  nextArguments?(run: WorkflowRun<Args>): JsonObject;
  /** Further content of the output of every step but the last. */
  describePause?(run: WorkflowRun<Args>, context: ToolContext): Promise<JsonObject | undefined>;
  /** Finishes the workflow. If it throws, the steps are kept and the last one can be repeated. */
  finish(run: WorkflowRun<Args>, context: ToolContext): WorkflowResult | Promise<WorkflowResult>;
}

/** Creates a stepwise tool. All its state is in the thread. */
export function defineWorkflow<Args extends StepArgs>(spec: WorkflowSpec<Args>): Tool {
  return defineTool({
    name: spec.name,
    title: spec.title,
    description: spec.description,
    input: spec.input,
    ignores: spec.ignores,
    needs: spec.needs,
    annotations: spec.annotations ?? STEPWISE,
    run: (args, context) => runStep(spec, args as unknown as Args, context),
  });
}

async function runStep<Args extends StepArgs>(
  spec: WorkflowSpec<Args>,
  args: Args,
  context: ToolContext,
): Promise<ToolOutput> {
  const intercepted = spec.intercept?.(args);
  if (intercepted) return intercepted;
  checkThread(args);
  await spec.check?.(args, await earlierSteps(spec, args, context), context);
  const heldOpen = args.next_step_required ? undefined : spec.holdOpen?.(args);
  const isLast = !args.next_step_required && heldOpen === undefined;
  const room = args.continuation_id === undefined
    ? undefined
    : await makeRoom(await context.threads.show(args.continuation_id), context, {
      tool: spec.name,
      asksModels: spec.needs === "model",
    });
  const recorded = await recordStep(spec, args, context);
  const steps = recorded.turns.flatMap(toArgs<Args>);
  const run = { args, steps, state: spec.consolidate(steps) };
  const position = describePosition(run, recorded, { isLast, heldOpen });
  const continuation = continuationOf(recorded.thread);
  if (isLast) {
    const output = await finish(spec, run, { context, position, continuation });
    return { ...output, facts: withRoom(output.facts, room) };
  }
  const further = await spec.describePause?.(run, context);
  const content = { ...position, ...describePause(spec, run, continuation), ...further };
  return {
    status: spec.pauseStatus,
    content,
    continuation,
    facts: withRoom({ prompt: spec.promptId }, room),
  };
}

interface FinishContext {
  context: ToolContext;
  position: JsonObject;
  continuation: Continuation;
}

async function finish<Args extends StepArgs>(
  spec: WorkflowSpec<Args>,
  run: WorkflowRun<Args>,
  { context, position, continuation }: FinishContext,
): Promise<ToolOutput> {
  const { completion, content, reply, facts, ...rest } = await spec.finish(run, context);
  const metadata = { ...rest, facts: { prompt: spec.promptId, ...facts } };
  const { state, args } = run;
  const { continuation_id } = continuation;
  const repeated = { ...args, continuation_id, backtrack_from_step: undefined };
  if (metadata.failure) {
    const next_call = { tool: spec.name, arguments: repeated };
    return { content: { ...position, completion, state, ...content, next_call }, ...metadata, continuation };
  }
  // The step is closed only now, so that it can be repeated if finishing fails.
  const stored = await recordStep(spec, repeated, context, { isLast: true, reply })
    .catch((thrown) => ({ note: notStoredNote(thrown) }));
  return {
    status: spec.completeStatus,
    content: { ...position, completion, state, ...content, ...("note" in stored ? stored : {}) },
    ...metadata,
    continuation: "thread" in stored ? continuationOf(stored.thread) : undefined,
  };
}

function checkThread({ step_number, continuation_id, backtrack_from_step }: StepArgs): void {
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

/** The earlier steps, without those that the current one drops. */
async function earlierSteps<Args extends StepArgs>(
  spec: WorkflowSpec<Args>,
  { continuation_id, backtrack_from_step = Infinity }: Args,
  { threads }: ToolContext,
): Promise<Args[]> {
  if (!continuation_id) return [];
  const { turns } = await threads.show(continuation_id, { tool: spec.name });
  return turns.flatMap(toArgs<Args>).filter(({ step_number }) => step_number < backtrack_from_step);
}

function recordStep<Args extends StepArgs>(
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
  run: WorkflowRun<Args>,
  { continuation_id, remaining_turns }: Continuation,
): JsonObject {
  const { args, state } = run;
  const step_number = args.step_number + 1;
  const carried = spec.carry.filter((name) => args[name] !== undefined).map((name) => [name, args[name]]);
  const next: JsonObject = {
    step: "(what you did since)",
    step_number,
    total_steps: Math.max(args.total_steps, step_number),
    next_step_required: step_number < args.total_steps,
    ...("findings" in args ? { findings: "(what you found)" } : {}),
    ...Object.fromEntries(carried),
    ...spec.nextArguments?.(run),
    continuation_id,
  };
  const full = remaining_turns > 0 ? [] : [
    "The thread is full (MAX_CONVERSATION_TURNS): end the work by sending this step again with " +
    "next_step_required false, or make room with backtrack_from_step.",
  ];
  return {
    state,
    required_actions: [...spec.requiredActions(run), ...full],
    next_call: { tool: spec.name, arguments: next },
  };
}
