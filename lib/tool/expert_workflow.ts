import { abortError } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { ASKS_MODELS } from "./annotations.ts";
import { filesNeeded, parseAnalysis } from "./dialogue/analysis.ts";
import { askModel, type ModelQuestion } from "./dialogue/ask_model.ts";
import { writeBrief } from "./dialogue/workflow_brief.ts";
import { toHistory } from "./dialogue/history.ts";
import { progressSender } from "./dialogue/call_progress.ts";
import { modelFields, type WorkflowArgs } from "./fields.ts";
import { consolidateFindings, listFindings, unionOf } from "./findings.ts";
import type { Attachment } from "./material/attachment.ts";
import type { Prompt } from "./dialogue/prompt.ts";
import type { Tool, ToolContext } from "./tool.ts";
import { defineWorkflow, type WorkflowResult, type WorkflowRun, type WorkflowSpec } from "./workflow.ts";

/** What to do between steps. */
interface StepActions {
  /** After the first step: how to begin. */
  begin: readonly string[];
  /** After each further one. */
  deepen: readonly string[];
  /** Once the caller is confident: what to make sure of before the end. */
  conclude: readonly string[];
}

/** An investigation whose end a model is asked about, as its file writes it. */
interface ExpertWorkflowSpec<Args extends WorkflowArgs>
  extends Pick<WorkflowSpec<Args>, "name" | "title" | "description" | "input" | "check" | "describePause"> {
  /** `code_review` makes the statuses `pause_for_code_review` and `code_review_complete`. */
  phase: string;
  /** The tool's own fields: each step repeats them, and the model is told. */
  ownFields: readonly (keyof Args & string)[];
  prompt: Prompt;
  defaults: ModelQuestion["defaults"];
  actions: StepActions;
  /** What the model is shown beside the files that steps name. */
  material?(work: WorkflowRun<Args>, context: ToolContext): Promise<ToolMaterial>;
}

/** What a tool itself finds for its model to see. */
interface ToolMaterial {
  /** Texts that are no files; shown first. */
  documents: readonly Attachment[];
  /** Files, as paths; shown as far as they go. */
  files: readonly string[];
}

const CONFIDENT: readonly string[] = ["high", "very_high", "almost_certain", "certain"];

const PRESENTATION =
  "Check each claim of expert_analysis against the code before you act on it, and say where you disagree. " +
  "Then give the user the whole: what you found, what the expert adds or refutes, what to do first.";

/** Makes a tool of an {@linkcode ExpertWorkflowSpec}. */
export function defineExpertWorkflow<Args extends WorkflowArgs>(spec: ExpertWorkflowSpec<Args>): Tool {
  const { name, title, description, input, phase, ownFields, describePause } = spec;
  const carry = [...ownFields, ...Object.keys(modelFields).filter((field) => field !== "images")];
  return defineWorkflow<Args>({
    name,
    title,
    description,
    input,
    describePause,
    pauseStatus: `pause_for_${phase}`,
    completeStatus: `${phase}_complete`,
    carry: carry as (keyof Args & string)[],
    // The last step costs money each time it is run.
    annotations: ASKS_MODELS,
    async check(args, earlier, context) {
      await spec.check?.(args, earlier, context);
      if (args.use_assistant_model) await checkFiles(args, context);
    },
    toRequest: (args) => withoutData(args),
    consolidate: consolidateFindings,
    requiredActions: ({ args, state }) => [...actionsFor(spec.actions, args, String(state.confidence))],
    finish: (work, context) => finish(spec, work, context),
  });
}

/** A path that may not be read is refused in the step that names it; one that is not there may yet come to be. */
async function checkFiles({ relevant_files = [] }: WorkflowArgs, { workspace }: ToolContext): Promise<void> {
  for (const file of relevant_files) {
    await workspace.find(file).catch((thrown) => {
      if (!(thrown instanceof ExaiError && thrown.code === "RESOURCE_NOT_FOUND")) throw thrown;
    });
  }
}

/** Images in `data:` URLs are sent with the step that brings them, and not kept. */
function withoutData(args: WorkflowArgs): JsonObject {
  const images = args.images?.filter((image) => !/^data:/i.test(image));
  return { ...args, images } as JsonObject;
}

function actionsFor({ begin, deepen, conclude }: StepActions, args: WorkflowArgs, confidence: string) {
  if (args.step_number === 1) return begin;
  return CONFIDENT.includes(confidence) ? conclude : deepen;
}

async function finish<Args extends WorkflowArgs>(
  spec: ExpertWorkflowSpec<Args>,
  work: WorkflowRun<Args>,
  context: ToolContext,
): Promise<WorkflowResult> {
  const { args, steps, state } = work;
  const findings = listFindings(steps);
  const alone = (completion: "certain" | "local", note: string): WorkflowResult => ({
    completion,
    content: { findings, expert_analysis: null, note },
  });
  if (state.confidence === "certain") {
    return alone("certain", "confidence is certain, so no expert model was asked");
  }
  if (!args.use_assistant_model) return alone("local", "use_assistant_model is false, so no model was asked");
  if (!spec.material && isEmpty(steps, state)) {
    return alone("local", "the steps found nothing a model could be asked about");
  }
  try {
    return await consult(spec, work, context);
  } catch (thrown) {
    if (context.signal.aborted) throw abortError(context.signal);
    return failed(ExaiError.from(thrown));
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

async function consult<Args extends WorkflowArgs>(
  spec: ExpertWorkflowSpec<Args>,
  work: WorkflowRun<Args>,
  context: ToolContext,
): Promise<WorkflowResult> {
  const { args, steps } = work;
  const own = await spec.material?.(work, context);
  const tell = progressSender(context);
  // The latest step that names images says which ones matter; an empty list says none.
  const images = args.images ?? steps.findLast((step) => step.images !== undefined)?.images;
  const reply = await askModel(
    {
      tool: spec.name,
      prompt: spec.prompt,
      text: writeBrief(work, spec.ownFields),
      args: { ...args, images },
      defaults: spec.defaults,
      history: await earlierHistory(spec.name, args, context),
      material: {
        documents: own?.documents,
        // What this step names must be there; what earlier steps named may have gone since.
        named: args.relevant_files ?? [],
        earlier: await realPaths(
          [...unionOf(steps.toReversed(), "relevant_files"), ...own?.files ?? []],
          context,
        ),
        lineNumbers: true,
      },
    },
    context,
    { onProgress: tell },
  );
  const { text, files, model, provider, usage, facts } = reply;
  const analysis = parseAnalysis(text);
  const needed = filesNeeded(analysis);
  return {
    completion: "expert",
    content: {
      expert_analysis: analysis,
      files_needed: needed.length === 0 ? undefined : {
        files: needed,
        required_actions: ["Send this step again with these files in relevant_files, if they matter to you."],
      },
      presentation: PRESENTATION,
    },
    model,
    provider,
    usage,
    facts,
    reply: { content: text, model, provider, files: files as unknown as Json[] },
  };
}

/** What was said in the thread before this work began, or by other tools beside it. */
async function earlierHistory(tool: string, { continuation_id }: WorkflowArgs, { threads }: ToolContext) {
  if (continuation_id === undefined) return undefined;
  const { turns } = await threads.show(continuation_id);
  const run = turns.findLast((turn) => turn.tool === tool)?.run;
  return toHistory(turns.filter((turn) => turn.tool !== tool || turn.run !== run));
}

async function realPaths(files: readonly string[], { workspace }: ToolContext): Promise<string[]> {
  const found = await Promise.all(files.map((file) => workspace.find(file).catch(() => undefined)));
  return found.map((entry, i) => entry?.path ?? files[i]!);
}

function failed(error: ExaiError): WorkflowResult {
  return {
    completion: "error",
    content: {
      error: error.message,
      details: error.details as JsonObject | undefined,
      required_actions: [
        "Every step is kept. Send this step again as next_call has it, with another model if this one will not do.",
        "To end without a second opinion, send it with use_assistant_model false.",
      ],
    },
    failure: { code: error.code, retryAfterMs: error.retryAfterMs },
  };
}
