import type { ModelNeeds, ModelRoute } from "../../provider/model_router.ts";
import type { ChatRequest, ModelInfo, ThinkingMode } from "../../provider/provider.ts";
import { estimateTokens } from "../../provider/token_estimate.ts";
import type { ModelArgs } from "../fields.ts";
import { collect, type MaterialRequest } from "../material/collect.ts";
import { loadDocuments, type LoadedDocuments } from "../material/pdf_documents.ts";
import { loadImages } from "../material/images.ts";
import type { Omission } from "../material/left_out.ts";
import type { Material } from "../material/material_builder.ts";
import type { ToolContext } from "../tool.ts";
import { ProgressHeartbeat } from "./call_progress.ts";
import { fitHistory } from "./fit_history.ts";
import { filesShown, type History, NO_HISTORY } from "./history.ts";
import { composeMessages } from "./messages.ts";
import { defaultThinkingMode, languageInstruction, type ModelDefaults } from "../model_defaults.ts";
import { type ModelReply, toReply } from "./model_reply.ts";
import { type Prompt, renderPrompt } from "./prompt.ts";
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
  const { models, signal, workspace } = context;
  const { named, earlier: namedEarlier = [], notesErrors } = question.material;
  const { parts: images, leftOut } = await loadImages(args.images ?? [], { workspace, notesErrors });
  const documents = await loadDocuments([...named, ...namedEarlier], { workspace, notesErrors });
  const language = languageInstruction(context.modelDefaults);
  const system = [renderPrompt(question.prompt), question.instructions ?? "", language].join("\n").trim();
  const baseTokens = await estimateTokens(`${system}\n${question.text}`) + images.length * IMAGE_TOKENS +
    documents.tokens;
  const needs = { images: images.length > 0, documents: documents.parts.length > 0 };
  const threadTokens = await historyTokens(history);
  const route = await resolve(question, context, { needs, baseTokens, threadTokens });
  const spaceTokens = freeTokens(route.model, baseTokens, tool);
  const fitted = await fitHistory(history, {
    spaceTokens,
    summarise: (conversation) => summarise(conversation, context, route.model.provider),
  });
  const fittedTokens = fitted.history === history ? threadTokens : await historyTokens(fitted.history);
  const materialTokens = Math.max(0, spaceTokens - fittedTokens);
  const earlier = await earlierDocuments(history, {
    model: route.model,
    workspace,
    documents,
    budgetTokens: materialTokens,
  });
  const all = [documents, earlier];
  const isText = (path: string) => documents.others.includes(path);
  const texts = { ...question.material, named: named.filter(isText), earlier: namedEarlier.filter(isText) };
  const material = await gather({ ...question, material: texts }, {
    context,
    budgetTokens: materialTokens - earlier.tokens,
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
  return toReply(result, { prompt: question.prompt, material, fitted, documents: all });
}

/** Chooses a model whose window takes the whole thread; if there is none, one that takes the question. */
async function resolve(
  { args, tool }: ModelQuestion,
  { models, sample }: ToolContext,
  { needs, baseTokens, threadTokens }: {
    needs: Pick<ModelNeeds, "images" | "documents">;
    baseTokens: number;
    threadTokens: number;
  },
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

interface EarlierDocumentsOptions {
  model: ModelInfo;
  workspace: ToolContext["workspace"];
  /** Of this call, which go first. */
  documents: LoadedDocuments;
  budgetTokens: number;
}

/** The documents that the caller named earlier in the thread, if `model` reads them, as far as there is room. */
async function earlierDocuments(
  { exchanges }: History,
  { model, workspace, documents, budgetTokens }: EarlierDocumentsOptions,
): Promise<LoadedDocuments> {
  const paths = filesShown(exchanges).map(({ path }) => path).filter((path) =>
    !documents.paths.includes(path)
  );
  return await loadDocuments(model.abilities.documents ? paths : [], {
    workspace,
    notesErrors: true,
    otherBytes: documents.sizeBytes,
    budgetTokens,
  });
}

async function gather(
  { material, history = NO_HISTORY }: ModelQuestion,
  { context, budgetTokens, leftOut, documents }: GatherOptions,
): Promise<Material> {
  const { workspace, signal } = context;
  const asDocuments = documents.flatMap(({ paths }) => paths);
  const shown = filesShown(history.exchanges).filter(({ path }) => !asDocuments.includes(path));
  const earlier = [...material.earlier ?? [], ...shown.filter(({ named }) => named).map(({ path }) => path)];
  const shownEarlier = shown.map(({ path }) => path);
  const omitted = [...material.leftOut ?? [], ...leftOut];
  return await collect({ ...material, leftOut: omitted, earlier, shownEarlier }, {
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
