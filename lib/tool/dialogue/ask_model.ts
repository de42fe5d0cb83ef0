import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import type { ChatRequest, ImagePart, ModelInfo, ThinkingMode, Usage } from "../../provider/provider.ts";
import { estimateTokens } from "../../provider/token_estimate.ts";
import type { ModelRoute, RoutedResult } from "../../provider/model_router.ts";
import type { ModelArgs } from "../fields.ts";
import type { SentFile } from "../material/attachment.ts";
import { collect, type Material, type MaterialRequest } from "../material/collect.ts";
import { loadImages } from "../material/images.ts";
import { type Prompt, promptId, renderPrompt } from "./prompt.ts";
import type { ToolContext } from "../tool.ts";
import { filesShown, type History, NO_HISTORY } from "./history.ts";
import { composeMessages } from "./messages.ts";
import { ProgressHeartbeat } from "./call_progress.ts";

/** A question of a tool to a model. */
export interface ModelQuestion {
  tool: string;
  prompt: Prompt;
  /** What this call adds to the prompt. */
  instructions?: string;
  text: string;
  /** What the caller says of the model. */
  args: Partial<ModelArgs>;
  /** What the tool would have unless the caller says otherwise; left out where a model has no such thing. */
  defaults: { temperature?: number; thinkingMode?: ThinkingMode };
  history?: History;
  material: MaterialRequest;
}

/** A model's answer to a {@linkcode ModelQuestion}. */
interface ModelReply {
  text: string;
  model: string;
  provider: string;
  usage: JsonObject;
  /** For the metadata: why this model, what was not shown, where it stopped. */
  facts: JsonObject;
  /** The files the model was shown, for the thread to keep. */
  files: SentFile[];
}

interface DialogueOptions {
  /** Told how far the answer has come. */
  onProgress?: (message: string) => void;
  /** Told which model will be asked, before it is; may refuse it. */
  onRoute?: (route: ModelRoute) => void;
}

/** What an image takes of a window, about, whatever its size. */
const IMAGE_TOKENS = 1600;

/** Of a window, this much at most is kept free for the answer. */
const MAX_ANSWER_SHARE = 0.25;

/** Of a window, this much is kept free because tokens are estimated with one vocabulary for all models. */
const MARGIN_SHARE = 0.05;

/**
 * Chooses a model, gathers what it is to be shown as far as its window goes, and asks it.
 *
 * @throws {ExaiError} when a file or image cannot be used, there is no such model, the conversation is too long for
 * it, or it fails
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
  const baseTokens = await countBase({ system, question, history, images });
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
  options.onRoute?.(route);
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

interface Base {
  system: string;
  question: ModelQuestion;
  history: History;
  images: readonly ImagePart[];
}

/** Tokens of everything that must be sent, the files aside. */
async function countBase({ system, question, history, images }: Base): Promise<number> {
  const said = history.exchanges.flatMap(({ user, assistant }) => [user, assistant]);
  const text = [system, ...said, history.unanswered, question.text].join("\n");
  return await estimateTokens(text) + images.length * IMAGE_TOKENS;
}

/** What the window of `model` has left for files. */
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
  const earlier = [...material.earlier ?? [], ...filesShown(history.exchanges)];
  return await collect({ ...material, earlier }, { workspace, budgetTokens, estimateTokens, signal });
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
  const files = attachments.flatMap(({ path, hash }) => path === undefined ? [] : [{ path, hash }]);
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
      ...(attachments.length > 0 ? { shown: attachments.map(({ name }) => name) } : {}),
      ...(leftOut.length > 0 ? { not_shown: leftOut.map((one) => ({ ...one })) } : {}),
      ...(leftOutDefault === undefined ? {} : { default_left_out: leftOutDefault }),
      ...(finishReason === "stop" ? {} : { finish_reason: finishReason }),
      ...(citations && citations.length > 0 ? { citations: citations.map((one) => ({ ...one })) } : {}),
    },
  };
}

/** `usage` by the names MCP tools and providers use. */
export function describeUsage(usage: Usage): JsonObject {
  return {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cached_tokens: usage.cachedTokens,
    reasoning_tokens: usage.reasoningTokens,
    estimated: usage.estimated,
  };
}
