import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import type { RoutedResult } from "../../provider/model_router.ts";
import type { ChatRequest, ImagePart, ModelInfo, ThinkingMode, Usage } from "../../provider/provider.ts";
import { estimateTokens } from "../../provider/token_estimate.ts";
import type { ModelArgs } from "../fields.ts";
import { type SentFile, shownNames } from "../material/attachment.ts";
import { collect, type MaterialRequest } from "../material/collect.ts";
import { loadImages } from "../material/images.ts";
import type { Material } from "../material/material_builder.ts";
import type { ToolContext } from "../tool.ts";
import { ProgressHeartbeat } from "./call_progress.ts";
import { filesShown, type History, NO_HISTORY } from "./history.ts";
import { composeMessages } from "./messages.ts";
import { type Prompt, promptId, renderPrompt } from "./prompt.ts";

/** A question from a tool to a model. */
export interface ModelQuestion {
  tool: string;
  prompt: Prompt;
  /** Instructions of this call, appended to the prompt. */
  instructions?: string;
  text: string;
  /** The caller's model arguments. */
  args: Partial<ModelArgs>;
  /** Defaults of the tool, dropped if the model does not support them. */
  defaults: { temperature?: number; thinkingMode?: ThinkingMode };
  history?: History;
  material: MaterialRequest;
}

/** The answer to a {@linkcode ModelQuestion}. */
export interface ModelReply {
  text: string;
  model: string;
  provider: string;
  usage: JsonObject;
  /** For the metadata: the routing decision, omitted material, the finish reason. */
  facts: JsonObject;
  /** The files shown to the model, to be stored in the thread. */
  files: SentFile[];
}

interface DialogueOptions {
  /** Called with progress messages. */
  onProgress?: (message: string) => void;
}

/** Estimated tokens of an image of any size. */
const IMAGE_TOKENS = 1600;

/** The largest share of the context window reserved for the answer. */
const MAX_ANSWER_SHARE = 0.25;

/**
 * The share of the context window reserved for errors of the token estimate, which uses one vocabulary for all models.
 */
const MARGIN_SHARE = 0.05;

/**
 * Selects a model, gathers the material that fits its context window, and sends the question.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for an unusable file, image or model; `TOO_LARGE` when the conversation exceeds
 * the context window; what the provider throws
 */
export async function askModel(
  question: ModelQuestion,
  context: ToolContext,
  options: DialogueOptions = {},
): Promise<ModelReply> {
  const { args, history = NO_HISTORY, tool } = question;
  const { models, signal } = context;
  const images = await loadImages(args.images ?? [], context.workspace);
  const system = [renderPrompt(question.prompt), question.instructions ?? ""].join("\n").trim();
  const baseTokens = await countBaseTokens({ system, question, history, images });
  const route = await models.resolve({
    requested: args.model,
    tool,
    needs: {
      images: images.length > 0,
      thinking: args.thinking_mode,
      webSearch: args.use_websearch === true,
      inputTokens: baseTokens,
    },
    sample: context.sample,
  });
  const material = await gather(question, {
    context,
    budgetTokens: freeTokens(route.model, baseTokens, tool),
  });
  const messages = composeMessages({ system, history, text: question.text, material, images });
  using heartbeat = new ProgressHeartbeat((message) => options.onProgress?.(message));
  const result = await models.chat(route, toRequest(question, messages), {
    signal,
    deadlineMs: context.deadlineMs,
    onProgress: ({ message }) => heartbeat.send(message),
  });
  return toReply(result, question, material);
}

interface BaseContent {
  system: string;
  question: ModelQuestion;
  history: History;
  images: readonly ImagePart[];
}

/** Estimates the tokens of everything but the files. */
async function countBaseTokens({ system, question, history, images }: BaseContent): Promise<number> {
  const exchanged = history.exchanges.flatMap(({ user, assistant }) => [user, assistant]);
  const text = [system, ...exchanged, history.unanswered, question.text].join("\n");
  return await estimateTokens(text) + images.length * IMAGE_TOKENS;
}

/** Returns the tokens left for files in the context window of `model`. */
function freeTokens(
  { name, contextTokens, maxOutputTokens }: ModelInfo,
  baseTokens: number,
  tool: string,
): number {
  const answerTokens = Math.min(maxOutputTokens, Math.floor(contextTokens * MAX_ANSWER_SHARE));
  const takesTokens = contextTokens - answerTokens - Math.ceil(contextTokens * MARGIN_SHARE);
  if (baseTokens <= takesTokens) return takesTokens - baseTokens;
  throw new ExaiError(
    "TOO_LARGE",
    `this ${tool} call and its thread have about ${baseTokens} tokens, and ${name} takes ${takesTokens}; name a ` +
      "model with a larger window (listmodels shows them), or leave continuation_id out to begin a new thread and " +
      "say in it what matters of this one",
  );
}

async function gather(
  { material, history = NO_HISTORY }: ModelQuestion,
  { context, budgetTokens }: { context: ToolContext; budgetTokens: number },
): Promise<Material> {
  const { workspace, signal } = context;
  const shown = filesShown(history.exchanges);
  const earlier = [...material.earlier ?? [], ...shown.filter(({ named }) => named).map(({ path }) => path)];
  const shownEarlier = shown.map(({ path }) => path);
  return await collect({ ...material, earlier, shownEarlier }, {
    workspace,
    budgetTokens,
    estimateTokens,
    signal,
  });
}

function toRequest(
  { args, defaults }: ModelQuestion,
  messages: ChatRequest["messages"],
): ChatRequest {
  return {
    messages,
    temperature: args.temperature ?? defaults.temperature,
    thinkingMode: args.thinking_mode,
    defaultThinkingMode: defaults.thinkingMode,
    webSearch: args.use_websearch === true || undefined,
  };
}

function toReply(
  result: RoutedResult,
  { prompt }: ModelQuestion,
  { attachments, leftOut }: Material,
): ModelReply {
  const { text, model, provider, usage, routing, finishReason, citations, leftOut: leftOutDefault } = result;
  const files = attachments.flatMap(({ path, hash, isNamed }) =>
    path === undefined ? [] : [isNamed ? { path, hash, named: true } : { path, hash }]
  );
  return {
    text,
    model,
    provider,
    usage: describeUsage(usage),
    files,
    facts: {
      prompt: promptId(prompt),
      routing: {
        requested: routing.requested,
        chosen: routing.chosen,
        why: routing.why,
        ...(routing.tried.length > 0 ? { tried: routing.tried.map((attempt) => ({ ...attempt })) } : {}),
      },
      ...(attachments.length > 0 ? { shown: shownNames(attachments) } : {}),
      ...(leftOut.length > 0 ? { not_shown: leftOut.map((one) => ({ ...one })) } : {}),
      ...(leftOutDefault === undefined ? {} : { default_left_out: leftOutDefault }),
      ...(finishReason === "stop" ? {} : { finish_reason: finishReason }),
      ...(citations && citations.length > 0 ? { citations: citations.map((one) => ({ ...one })) } : {}),
    },
  };
}

/** Converts `usage` to the field names of the envelope. */
export function describeUsage(usage: Usage): JsonObject {
  return {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cached_tokens: usage.cachedTokens,
    reasoning_tokens: usage.reasoningTokens,
    estimated: usage.estimated,
  };
}
