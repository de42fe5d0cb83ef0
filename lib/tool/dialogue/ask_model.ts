import type { JsonObject } from "../../base/json.ts";
import type { ModelNeeds, ModelRoute, RoutedResult } from "../../provider/model_router.ts";
import type { ChatRequest, ModelInfo, ThinkingMode, Usage } from "../../provider/provider.ts";
import { estimateTokens } from "../../provider/token_estimate.ts";
import type { ModelArgs } from "../fields.ts";
import { shownNames } from "../material/attachment.ts";
import { collect, type MaterialRequest } from "../material/collect.ts";
import { isPdfName, loadDocuments, type LoadedDocuments } from "../material/pdf_documents.ts";
import { loadImages } from "../material/images.ts";
import type { Omission } from "../material/left_out.ts";
import type { Material } from "../material/material_builder.ts";
import type { ToolContext } from "../tool.ts";
import { ProgressHeartbeat } from "./call_progress.ts";
import { fitHistory, type FittedHistory } from "./fit_history.ts";
import { filesShown, type History, NO_HISTORY } from "./history.ts";
import { composeMessages } from "./messages.ts";
import { defaultThinkingMode, languageInstruction, type ModelDefaults } from "../model_defaults.ts";
import { type Prompt, promptId, renderPrompt } from "./prompt.ts";
import { summarise } from "./summarise.ts";
import { freeTokens } from "./window_space.ts";

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
  /** What its thread keeps of it: the text, who said it, which files it was shown. */
  stored: JsonObject;
}

interface DialogueOptions {
  /** Called with progress messages. */
  onProgress?: (message: string) => void;
}

/** Estimated tokens of an image of any size. */
const IMAGE_TOKENS = 1600;

/**
 * Selects a model, gathers the material that fits its context window, and sends the question.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for an unusable file, image or model; `TOO_LARGE` when the question exceeds the
 * context window; what the provider throws
 */
export async function askModel(
  question: ModelQuestion,
  context: ToolContext,
  options: DialogueOptions = {},
): Promise<ModelReply> {
  const { args, history = NO_HISTORY, tool } = question;
  const { models, signal } = context;
  const { workspace } = context;
  const { notesErrors } = question.material;
  const { parts: images, leftOut } = await loadImages(args.images ?? [], { workspace, notesErrors });
  const documents = await loadDocuments(question.material.named, { workspace, notesErrors });
  const language = languageInstruction(context.modelDefaults);
  const system = [renderPrompt(question.prompt), question.instructions ?? "", language].join("\n").trim();
  const baseTokens = await estimateTokens(`${system}\n${question.text}`) + images.length * IMAGE_TOKENS +
    documents.tokens;
  const needs = { images: images.length > 0, documents: documents.parts.length > 0 };
  const route = await resolve(question, context, { needs, baseTokens });
  const spaceTokens = freeTokens(route.model, baseTokens, tool);
  const fitted = await fitHistory(history, {
    spaceTokens,
    summarise: (conversation) => summarise(conversation, context, route.model.provider),
  });
  const earlier = await earlierDocuments(history, { model: route.model, workspace, documents });
  const all = [documents, earlier];
  const spentTokens = await historyTokens(fitted.history) + earlier.tokens;
  const material = await gather(question, {
    context,
    budgetTokens: Math.max(0, spaceTokens - spentTokens),
    leftOut: [...leftOut, ...all.flatMap(({ leftOut }) => leftOut)],
    documents: all,
  });
  const messages = composeMessages({
    system,
    history: fitted.history,
    text: question.text,
    material,
    parts: [...all.flatMap(({ parts }) => parts), ...images],
  });
  using heartbeat = new ProgressHeartbeat((message) => options.onProgress?.(message));
  const request = toRequest(question, messages, context.modelDefaults);
  const result = await models.chat(route, request, {
    signal,
    deadlineMs: context.deadlineMs,
    onProgress: ({ message }) => heartbeat.send(message),
  });
  return toReply(result, question, { material, fitted, documents: all });
}

/** Chooses a model whose window takes the whole thread; if there is none, one that takes the question. */
async function resolve(
  { args, history = NO_HISTORY, tool }: ModelQuestion,
  { models, sample }: ToolContext,
  { needs, baseTokens }: { needs: Pick<ModelNeeds, "images" | "documents">; baseTokens: number },
): Promise<ModelRoute> {
  const choose = (inputTokens: number) =>
    models.resolve({
      requested: args.model,
      tool,
      needs: {
        ...needs,
        thinking: args.thinking_mode,
        webSearch: args.use_websearch === true,
        inputTokens,
      },
      sample,
    });
  const threadTokens = await historyTokens(history);
  if (threadTokens === 0) return await choose(baseTokens);
  return await choose(baseTokens + threadTokens).catch(() => choose(baseTokens));
}

async function historyTokens({ exchanges, unanswered, earlier = "" }: History): Promise<number> {
  const exchanged = exchanges.flatMap(({ user, assistant }) => [user, assistant]);
  return await estimateTokens([earlier, ...exchanged, unanswered].join("\n").trim());
}

interface GatherOptions {
  context: ToolContext;
  budgetTokens: number;
  /** Images and documents that cannot be shown. */
  leftOut: readonly Omission[];
  /** Of this call, and of its thread. */
  documents: readonly LoadedDocuments[];
}

/** The documents that the caller named earlier in the thread, if `model` reads them. */
async function earlierDocuments(
  { exchanges }: History,
  { model, workspace, documents }: {
    model: ModelInfo;
    workspace: ToolContext["workspace"];
    documents: LoadedDocuments;
  },
): Promise<LoadedDocuments> {
  const paths = filesShown(exchanges).map(({ path }) => path).filter((path) =>
    isPdfName(path) && !documents.files.some((file) => file.path === path)
  );
  return await loadDocuments(model.abilities.documents ? paths : [], { workspace, notesErrors: true });
}

async function gather(
  { material, history = NO_HISTORY }: ModelQuestion,
  { context, budgetTokens, leftOut, documents }: GatherOptions,
): Promise<Material> {
  const { workspace, signal } = context;
  const asDocuments = documents.flatMap(({ files }) => files.map(({ path }) => path));
  const shown = filesShown(history.exchanges).filter(({ path }) => !asDocuments.includes(path));
  const earlier = [...material.earlier ?? [], ...shown.filter(({ named }) => named).map(({ path }) => path)];
  const shownEarlier = shown.map(({ path }) => path);
  const omitted = [...material.leftOut ?? [], ...leftOut];
  const named = documents[0]?.others ?? material.named;
  return await collect({ ...material, named: [...named], leftOut: omitted, earlier, shownEarlier }, {
    workspace,
    budgetTokens,
    estimateTokens,
    signal,
  });
}

function toRequest(
  { args, defaults, tool }: ModelQuestion,
  messages: ChatRequest["messages"],
  modelDefaults: ModelDefaults,
): ChatRequest {
  return {
    messages,
    temperature: args.temperature ?? defaults.temperature,
    thinkingMode: args.thinking_mode,
    defaultThinkingMode: defaultThinkingMode(modelDefaults, tool) ?? defaults.thinkingMode,
    webSearch: args.use_websearch === true || undefined,
  };
}

function toReply(
  result: RoutedResult,
  { prompt }: ModelQuestion,
  { material: { attachments, leftOut }, fitted, documents }: {
    material: Material;
    fitted: FittedHistory;
    documents: readonly LoadedDocuments[];
  },
): ModelReply {
  const {
    text,
    model,
    provider,
    usage,
    routing,
    finishReason,
    citations,
    warnings,
    leftOut: leftOutDefault,
  } = result;
  const files = attachments.flatMap(({ path, hash, isNamed }) =>
    path === undefined ? [] : [isNamed ? { path, hash, named: true } : { path, hash }]
  );
  const shown = [...documents.flatMap(({ names }) => names), ...shownNames(attachments)];
  return {
    text,
    model,
    provider,
    usage: describeUsage(usage),
    stored: {
      content: text,
      model,
      provider,
      speaker: routing.chosen,
      files: [...documents.flatMap(({ files }) => files), ...files],
      summary: fitted.summary && { ...fitted.summary },
    },
    facts: {
      prompt: promptId(prompt),
      ...describeBill(result),
      routing: {
        requested: routing.requested,
        chosen: routing.chosen,
        why: routing.why,
        ...(routing.tried.length > 0 ? { tried: routing.tried.map((attempt) => ({ ...attempt })) } : {}),
      },
      ...(shown.length > 0 ? { shown } : {}),
      ...(leftOut.length > 0 ? { not_shown: leftOut.map((one) => ({ ...one })) } : {}),
      ...(fitted.leftOut > 0 ? { thread: describeFit(fitted) } : {}),
      ...(leftOutDefault === undefined ? {} : { default_left_out: leftOutDefault }),
      ...(warnings === undefined ? {} : { warnings: [...warnings] }),
      ...(finishReason === "stop" ? {} : { finish_reason: finishReason }),
      ...(citations && citations.length > 0 ? { citations: citations.map((one) => ({ ...one })) } : {}),
    },
  };
}

/** What an answer cost, if that is known, and the warning of a daily budget, for the metadata. */
export function describeBill(
  { cost, budgetWarning }: Pick<RoutedResult, "cost" | "budgetWarning">,
): JsonObject {
  return {
    ...(cost === undefined ? {} : { cost: { ...cost } }),
    ...(budgetWarning === undefined ? {} : { budget_warning: budgetWarning }),
  };
}

/** What was done to a thread that outgrew the model's window. */
function describeFit({ leftOut, summary, usage, cost }: FittedHistory): JsonObject {
  return {
    exchanges_left_out: leftOut,
    summarised_by: summary?.by,
    summary_usage: usage && describeUsage(usage),
    summary_cost: cost && { ...cost },
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
