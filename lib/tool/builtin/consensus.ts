import * as z from "zod";
import { abortError } from "../../base/abort.ts";
import { ExaiError } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import { partialAnswerOf } from "../../provider/partial_answer.ts";
import { roundUsd } from "../../provider/spending.ts";
import { ASKS_MODELS } from "../annotations.ts";
import { askModel } from "../dialogue/ask_model.ts";
import { progressSender } from "../dialogue/call_progress.ts";
import { SEVERAL_MODELS } from "../dialogue/history.ts";
import { promptId, toPrompt } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { MAX_PROMPT_CHARS, modelFields, promptText, stepFields } from "../fields.ts";
import type { ToolContext } from "../tool.ts";
import { defineWorkflow, type WorkflowResult, type WorkflowRun } from "../workflow.ts";
import text from "../prompts/consensus.md" with { type: "text" };

const MAX_MODELS = 10;

/** A text is the name of a model, unless it is an entry written as JSON. */
const opinion = z.preprocess(
  (value) => typeof value === "string" && !value.trim().startsWith("{") ? { model: value } : value,
  z.object({
    model: z.string().min(1).max(200),
    stance: z.enum(["for", "against", "neutral"]).optional(),
    stance_prompt: z.string().max(MAX_PROMPT_CHARS).optional(),
  }).strict(),
);

const { model: _perOpinion, ...howToAsk } = modelFields;

const input = z.object({
  ...stepFields,
  step: promptText.describe("step 1: the proposal, complete, as every model is to see it"),
  findings: z.string().max(MAX_PROMPT_CHARS).optional().describe("your own view; no model sees it"),
  models: z.array(opinion).min(1).max(MAX_MODELS).optional().describe("required in step 1"),
  relevant_files: z.array(z.string()).optional(),
  ...howToAsk,
});

type ConsensusArgs = z.output<typeof input>;
type WantedOpinion = z.output<typeof opinion>;

/** The answer of one model, or its error. */
interface Opinion extends JsonObject {
  model: string;
  stance: Stance;
  status: "success" | "error";
}

/** Fields of the original daemon, which asked one model per step. */
const IGNORED_FIELDS = [
  "model",
  "use_assistant_model",
  "current_model_index",
  "model_responses",
  "files_checked",
  "relevant_context",
  "issues_found",
  "confidence",
  "hypothesis",
];

type Stance = "for" | "against" | "neutral";

const document = new PromptDocument(text);

export const CONSENSUS_PROMPT = toPrompt(document);

/** Asks several models about a proposal, concurrently and independently. */
export const consensus = defineWorkflow<ConsensusArgs>({
  name: "consensus",
  title: "Consensus",
  description:
    "Ask several models about one proposal at once, blind to each other, each for, against or neutral, in the step " +
    "with next_step_required false.",
  input,
  annotations: ASKS_MODELS,
  needs: "model",
  ignores: IGNORED_FIELDS,
  promptId: promptId(document),
  pauseStatus: "pause_for_consensus",
  completeStatus: "consensus_complete",
  carry: ["models", "relevant_files", "temperature", "thinking_mode", "use_websearch"],
  check({ step_number, models }) {
    if (step_number === 1 && models === undefined) {
      throw new ExaiError(
        "INVALID_PARAMS",
        "models is required in step 1: name the models to ask (listmodels has them)",
      );
    }
    rejectDuplicates(
      (models ?? []).map(({ model, stance = "neutral" }) => ({ key: model.toLowerCase(), model, stance })),
    );
  },
  consolidate: (steps) => ({
    proposal: steps[0]?.step,
    models: wantedIn(steps).map(({ model, stance = "neutral" }) => ({ model, stance })),
    relevant_files: filesIn(steps),
  }),
  requiredActions: () => document.items("Steps", "Step 1"),
  nextArguments: ({ args }) => ({ total_steps: args.step_number + 1, next_step_required: false }),
  finish: (work, context) => askAll(work, context),
});

function wantedIn(steps: readonly ConsensusArgs[]): readonly WantedOpinion[] {
  return steps.findLast(({ models }) => models !== undefined)?.models ?? [];
}

function filesIn(steps: readonly ConsensusArgs[]): string[] {
  return [...new Set(steps.flatMap(({ relevant_files }) => relevant_files ?? []))];
}

interface ModelStance {
  /** Identifies the model. */
  key: string;
  model: string;
  stance: Stance;
}

/** Rejects a model that is named twice with one stance, which would count its opinion double. */
function rejectDuplicates(stances: readonly ModelStance[]): void {
  const seen = new Map<string, string>();
  for (const { key, model, stance } of stances) {
    const duplicate = seen.get(`${key} ${stance}`);
    if (duplicate !== undefined) {
      const names = duplicate === model
        ? `${model} twice`
        : `${duplicate} and ${model}, which are the same model,`;
      throw new ExaiError(
        "INVALID_PARAMS",
        `models names ${names} with the stance ${stance}; give each another stance, or leave one out`,
      );
    }
    seen.set(`${key} ${stance}`, model);
  }
}

async function askAll(work: WorkflowRun<ConsensusArgs>, context: ToolContext): Promise<WorkflowResult> {
  const wanted = wantedIn(work.steps);
  await rejectAliases(wanted, context);
  const send = progressSender(context);
  let answered = 0;
  const outcomes = await Promise.all(wanted.map(async (one) => {
    const who = `${one.model} (${one.stance ?? "neutral"})`;
    const outcome = await askOne(one, work, { context, onProgress: (message) => send(`${who}: ${message}`) });
    answered++;
    send(
      `${who} ${outcome.status === "success" ? "has answered" : "failed"} (${answered} of ${wanted.length})`,
    );
    return outcome;
  }));
  if (context.signal.aborted) throw abortError(context.signal);
  return conclude(work, outcomes);
}

/** Rejects two names for one model before any model is asked. An unknown name fails later, in its own opinion. */
async function rejectAliases(
  wanted: readonly WantedOpinion[],
  { models, sample }: ToolContext,
): Promise<void> {
  const stances = await Promise.all(wanted.map(async ({ model, stance = "neutral" }) => {
    const route = await models.resolve({ requested: model, tool: "consensus", sample }).catch(() =>
      undefined
    );
    return { key: route ? `${route.model.provider}/${route.model.name}` : model, model, stance };
  }));
  rejectDuplicates(stances);
}

async function askOne(
  { model, stance = "neutral", stance_prompt }: WantedOpinion,
  { args, steps }: WorkflowRun<ConsensusArgs>,
  { context, onProgress }: { context: ToolContext; onProgress: (message: string) => void },
): Promise<Opinion> {
  try {
    const reply = await askModel(
      {
        tool: "consensus",
        prompt: CONSENSUS_PROMPT,
        instructions: [document.text("Stances", stance), stance_prompt ?? ""].join("\n").trim(),
        text: `# Proposal\n${steps[0]!.step}`,
        args: { ...args, model, images: args.images ?? steps.findLast(({ images }) => images)?.images },
        defaults: { temperature: 0.2 },
        material: { named: filesIn(steps), notesErrors: true, lineNumbers: true },
      },
      context,
      { onProgress },
    );
    const { text, provider, usage, facts } = reply;
    return {
      model: reply.model,
      requested: model,
      stance,
      status: "success",
      verdict: text,
      provider,
      usage,
      ...facts,
    };
  } catch (thrown) {
    const failure = ExaiError.from(thrown);
    const { message, code, retryAfterMs } = failure;
    return {
      model,
      stance,
      status: "error",
      error: message,
      error_code: code,
      retry_after_ms: retryAfterMs,
      ...partialAnswerOf(failure),
    };
  }
}

const PRESENTATION =
  "Say where the models agree and where they do not, and why; weigh reasons, not votes. Then give " +
  "your own recommendation, how sure it is, and the next steps. Name the models that failed.";

function conclude({ steps }: WorkflowRun<ConsensusArgs>, responses: readonly Opinion[]): WorkflowResult {
  const successes = responses.filter(({ status }) => status === "success");
  const content: JsonObject = {
    your_findings: steps.findLast(({ findings }) => findings)?.findings,
    responses: [...responses],
    answered: successes.length,
    failed: responses.length - successes.length,
  };
  if (successes.length === 0) {
    const required_actions = ["No model answered. Read the errors in responses, then send this step again."];
    return {
      completion: "error",
      content: { ...content, required_actions },
      failure: {
        code: "UPSTREAM_UNAVAILABLE",
        retryAfterMs: responses[0]?.retry_after_ms as number | undefined,
      },
    };
  }
  const opinions = successes.map(({ model, stance, verdict }) => `## ${model} (${stance})\n${verdict}`);
  return {
    completion: "expert",
    content: { ...content, presentation: PRESENTATION },
    usage: totalUsage(successes),
    facts: totalCost(successes),
    reply: { content: opinions.join("\n\n"), speaker: SEVERAL_MODELS },
  };
}

function totalUsage(responses: readonly Opinion[]): JsonObject {
  const sum = (field: string) =>
    responses.reduce((tokens, { usage }) => tokens + Number((usage as JsonObject)[field] ?? 0), 0);
  return { input_tokens: sum("input_tokens"), output_tokens: sum("output_tokens") };
}

/** The sum of what the answers cost; models without a known price are named. Empty if no price is known. */
function totalCost(responses: readonly Opinion[]): JsonObject {
  const priced = responses.filter(({ cost }) => isObject(cost));
  if (priced.length === 0) return {};
  const usd = priced.reduce((sum, { cost }) => sum + Number((cost as JsonObject).usd), 0);
  const unpriced = responses.filter((one) => !priced.includes(one)).map(({ model }) => model);
  return { cost: { usd: roundUsd(usd), ...(unpriced.length > 0 ? { without_price: unpriced } : {}) } };
}
