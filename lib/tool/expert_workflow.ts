import { abortError } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { partialAnswerOf } from "../provider/partial_answer.ts";
import { ASKS_MODELS } from "./annotations.ts";
import { filesNeeded, parseAnalysis } from "./dialogue/analysis.ts";
import { askModel, type ModelQuestion } from "./dialogue/ask_model.ts";
import { progressSender } from "./dialogue/call_progress.ts";
import { toHistory } from "./dialogue/history.ts";
import { type Prompt, promptId, type StepActions } from "./dialogue/prompt.ts";
import { writeBrief } from "./dialogue/workflow_brief.ts";
import { modelFields, type WorkflowArgs } from "./fields.ts";
import { consolidateFindings, listFindings, unionOf } from "./findings.ts";
import type { Attachment } from "./material/attachment.ts";
import type { Omission } from "./material/left_out.ts";
import type { Tool, ToolContext } from "./tool.ts";
import { defineWorkflow, type WorkflowResult, type WorkflowRun, type WorkflowSpec } from "./workflow.ts";

/** The definition of an investigation that a model reviews at the end, for {@linkcode defineExpertWorkflow}. */
interface ExpertWorkflowSpec<Args extends WorkflowArgs>
  extends Pick<WorkflowSpec<Args>, "name" | "title" | "description" | "input" | "check" | "describePause"> {
  /** The phase in the status: `code_review` gives `pause_for_code_review` and `code_review_complete`. */
  phase: string;
  /** The tool's own fields: repeated in each step and shown to the model. */
  ownFields: readonly (keyof Args & string)[];
  prompt: Prompt;
  defaults: ModelQuestion["defaults"];
  actions: StepActions;
  /** Material for the model besides the files named in steps. */
  material?(run: WorkflowRun<Args>, context: ToolContext): Promise<ToolMaterial>;
}

/** Material that a tool gathers for the model. */
interface ToolMaterial {
  /** Texts other than files; shown first. */
  documents: readonly Attachment[];
  /** Changed files that were left out of the documents. */
  leftOut: readonly Omission[];
  /** The paths of files; shown if they are worth reading, as far as the budget allows. */
  files: readonly string[];
  /** Set where there is none: why. Without `relevant_files` no model is asked then. */
  note?: string;
}

const CONFIDENT: readonly string[] = ["high", "very_high", "almost_certain", "certain"];

const PRESENTATION =
  "Check each claim of expert_analysis against the code before you act on it, and say where you disagree. " +
  "Then give the user the whole: what you found, what the expert adds or refutes, what to do first.";

/** Creates a stepwise tool whose last step asks a model to review the findings. */
export function defineExpertWorkflow<Args extends WorkflowArgs>(spec: ExpertWorkflowSpec<Args>): Tool {
  const { name, title, description, input, phase, ownFields, describePause } = spec;
  const carry = [...ownFields, ...Object.keys(modelFields).filter((field) => field !== "images")];
  return defineWorkflow<Args>({
    name,
    title,
    description,
    input,
    describePause,
    promptId: promptId(spec.prompt),
    pauseStatus: `pause_for_${phase}`,
    completeStatus: `${phase}_complete`,
    carry: carry as (keyof Args & string)[],
    // Each run of the last step costs money.
    annotations: ASKS_MODELS,
    needs: "model",
    async check(args, earlier, context) {
      await spec.check?.(args, earlier, context);
      if (args.use_assistant_model) await checkFiles(args, context);
    },
    toRequest: (args) => omitInlineImages(args),
    consolidate: consolidateFindings,
    requiredActions: ({ args, state }) => [...actionsFor(spec.actions, args, String(state.confidence))],
    finish: (run, context) => finish(spec, run, context),
  });
}

/** Rejects a forbidden path in the step that names it. A file that does not exist may be created later. */
async function checkFiles({ relevant_files = [] }: WorkflowArgs, { workspace }: ToolContext): Promise<void> {
  for (const file of relevant_files) {
    await workspace.find(file).catch((thrown) => {
      if (!(thrown instanceof ExaiError && thrown.code === "RESOURCE_NOT_FOUND")) throw thrown;
    });
  }
}

/** Images in `data:` URLs are not stored in the thread. */
function omitInlineImages(args: WorkflowArgs): JsonObject {
  const images = args.images?.filter((image) => !/^data:/i.test(image));
  return { ...args, images } as JsonObject;
}

function actionsFor(
  { bySteps, further, conclude }: StepActions,
  { step_number }: WorkflowArgs,
  confidence: string,
): readonly string[] {
  if (step_number > 1 && CONFIDENT.includes(confidence)) return conclude;
  return bySteps[step_number - 1] ?? further;
}

async function finish<Args extends WorkflowArgs>(
  spec: ExpertWorkflowSpec<Args>,
  run: WorkflowRun<Args>,
  context: ToolContext,
): Promise<WorkflowResult> {
  const { args, steps, state } = run;
  const findings = listFindings(steps);
  const withoutModel = (completion: "certain" | "local", note: string): WorkflowResult => ({
    completion,
    content: { findings, expert_analysis: null, note },
  });
  if (state.confidence === "certain") {
    return withoutModel("certain", "confidence is certain, so no expert model was asked");
  }
  if (!args.use_assistant_model) {
    return withoutModel("local", "use_assistant_model is false, so no model was asked");
  }
  if (!spec.material && isEmpty(steps, state)) {
    return withoutModel("local", "the steps found nothing a model could be asked about");
  }
  try {
    const onProgress = progressSender(context);
    using _turn = args.continuation_id === undefined
      ? undefined
      : await context.threads.enter(args.continuation_id, { signal: context.signal, onWait: onProgress });
    const gathered = await spec.material?.(run, context);
    if (gathered?.note !== undefined && (state.relevant_files as Json[]).length === 0) {
      return withoutModel("local", `${gathered.note} No model was asked`);
    }
    return await askExpert(spec, { ...run, gathered }, { context, onProgress });
  } catch (thrown) {
    if (context.signal.aborted) throw abortError(context.signal);
    return toFailure(ExaiError.from(thrown));
  }
}

function isEmpty(
  steps: readonly WorkflowArgs[],
  { relevant_files, issues_by_severity }: JsonObject,
): boolean {
  return (relevant_files as Json[]).length === 0 &&
    Object.keys(issues_by_severity as JsonObject).length === 0 &&
    steps.every(({ findings }) => findings.trim() === "");
}

/** A run with the tool's own material for the model. */
interface GatheredRun<Args> extends WorkflowRun<Args> {
  gathered: ToolMaterial | undefined;
}

async function askExpert<Args extends WorkflowArgs>(
  spec: ExpertWorkflowSpec<Args>,
  run: GatheredRun<Args>,
  { context, onProgress }: { context: ToolContext; onProgress: (message: string) => void },
): Promise<WorkflowResult> {
  const question = await toQuestion(spec, run, context);
  const reply = await askModel(question, context, { onProgress });
  const { text, stored, model, provider, usage, facts } = reply;
  const analysis = parseAnalysis(text, spec.prompt.output);
  const missingFiles = filesNeeded(analysis);
  return {
    completion: "expert",
    content: {
      expert_analysis: analysis,
      files_needed: missingFiles.length === 0 ? undefined : {
        files: missingFiles,
        required_actions: ["Send this step again with these files in relevant_files, if they matter to you."],
      },
      presentation: PRESENTATION,
    },
    model,
    provider,
    usage,
    facts,
    reply: stored,
  };
}

async function toQuestion<Args extends WorkflowArgs>(
  spec: ExpertWorkflowSpec<Args>,
  run: GatheredRun<Args>,
  context: ToolContext,
): Promise<ModelQuestion> {
  const { args, steps, gathered } = run;
  return {
    tool: spec.name,
    prompt: spec.prompt,
    text: writeBrief(run, spec.ownFields),
    // The latest list of images counts, even if it is empty.
    args: { ...args, images: args.images ?? steps.findLast(({ images }) => images !== undefined)?.images },
    defaults: spec.defaults,
    history: await earlierHistory(spec.name, args, context),
    material: {
      documents: gathered?.documents,
      leftOut: gathered?.leftOut,
      named: args.relevant_files ?? [],
      // The step is the work of an hour: a file deleted since, or one that is no text, does not stop it.
      notesErrors: true,
      earlier: unionOf(steps.toReversed(), "relevant_files"),
      found: gathered?.files,
      lineNumbers: true,
    },
  };
}

/** The conversation of the thread without the steps of the current run. */
async function earlierHistory(tool: string, { continuation_id }: WorkflowArgs, { threads }: ToolContext) {
  if (continuation_id === undefined) return undefined;
  const { turns } = await threads.show(continuation_id);
  const run = turns.findLast((turn) => turn.tool === tool)?.run;
  return toHistory(turns.filter((turn) => turn.tool !== tool || turn.run !== run));
}

function toFailure(error: ExaiError): WorkflowResult {
  const { partial_answer: _shownInMetadata, ...details } = error.details ?? {};
  return {
    completion: "error",
    content: {
      error: error.message,
      details: error.details && details as JsonObject,
      required_actions: [
        "Every step is kept. Send this step again as next_call has it, with another model if this one will not do.",
        "To end without a second opinion, send it with use_assistant_model false.",
      ],
    },
    facts: partialAnswerOf(error),
    failure: { code: error.code, retryAfterMs: error.retryAfterMs },
  };
}
