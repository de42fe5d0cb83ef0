import { canStopThinking, isThinking } from "./catalogue/thinking.ts";
import type { ModelNeeds } from "./model_router.ts";
import type { ChatRequest, ModelInfo } from "./provider.ts";
import { estimateTokens } from "./token_estimate.ts";

/** Estimated tokens of an image; vendors count a few hundred to two thousand. */
const IMAGE_TOKENS = 1500;

/** Estimated tokens of a page of a document, as text and as a picture. */
export const PAGE_TOKENS = 2000;

/** Estimated characters of a page in a `data:` URL. */
const PAGE_CHARS = 100_000;

/** The pages of a document, by the length of its `data:` URL: the pages in it are compressed. */
export function pagesOf(urlChars: number): number {
  return Math.ceil(urlChars / PAGE_CHARS);
}

/**
 * Describes which of `needs` the model does not meet, as the predicate of a sentence that starts with its name;
 * undefined if it meets all of them.
 */
export function unmetNeeds(model: ModelInfo, needs: ModelNeeds): string | undefined {
  const { abilities } = model;
  const thinking = thinkingMismatch(model, needs);
  const unmet = [
    needs.images && !abilities.images && "takes no images",
    needs.documents && !abilities.documents &&
    "reads no PDF: leave it out, or give its text (kimi_upload_and_extract has that of a PDF)",
    needs.tools && !abilities.tools && "calls no tools",
    needs.webSearch && !abilities.search &&
    (needs.webSearch === "required"
      ? "cannot search the web"
      : "cannot search the web: leave out use_websearch"),
    thinking && `${thinking.problem}: ${thinking.remedy}`,
    needs.inputTokens !== undefined && needs.inputTokens >= model.contextTokens &&
    `holds ${model.contextTokens} tokens, and this is about ${needs.inputTokens}`,
  ].filter((problem) => typeof problem === "string");
  return unmet.length === 0 ? undefined : unmet.join("; it ");
}

/**
 * Applies the default thinking mode of `request`, unless the model does not support it along with the rest of the
 * request: a default does not justify rejecting a call. `leftOut` then describes the omission.
 */
export function applyDefaults(
  request: ChatRequest,
  model: ModelInfo,
): { request: ChatRequest; leftOut?: string } {
  const { defaultThinkingMode, ...rest } = request;
  if (defaultThinkingMode === undefined || request.thinkingMode !== undefined) return { request: rest };
  const { webSearch } = request;
  const mismatch = thinkingMismatch(model, { thinking: defaultThinkingMode, webSearch });
  if (mismatch === undefined) return { request: { ...rest, thinkingMode: defaultThinkingMode } };
  const leftOut =
    `thinking_mode ${defaultThinkingMode}, which is a default: ${model.name} ${mismatch.problem}`;
  return { request: rest, leftOut };
}

interface ThinkingMismatch {
  /** The predicate of a sentence that starts with the name of the model. */
  problem: string;
  /** How to change the call. */
  remedy: string;
}

function thinkingMismatch(
  model: ModelInfo,
  { thinking, webSearch }: ModelNeeds,
): ThinkingMismatch | undefined {
  if (!thinking) return undefined;
  if (!model.abilities.thinking) {
    return { problem: "has no thinking to steer", remedy: "leave out thinking_mode" };
  }
  if (thinking === true) return undefined;
  if (thinking === "minimal" && model.thinking === "always") {
    return { problem: "always thinks and has no dial for it", remedy: "leave out thinking_mode" };
  }
  const wouldThink = isThinking(model.thinking, thinking);
  if (webSearch && model.searchStopsThinking && wouldThink) {
    const stop = canStopThinking(model.thinking) ? ", set it to minimal," : "";
    const remedy = `leave out thinking_mode${stop} or leave out use_websearch`;
    return { problem: "searches the web only while it does not think", remedy };
  }
  return undefined;
}

/** Derives the needs of a request from its content. */
export async function needsOf(
  { messages, thinkingMode, webSearch, tools }: ChatRequest,
): Promise<ModelNeeds> {
  const parts = messages.flatMap(({ content }) =>
    typeof content === "string" ? [{ type: "text" as const, text: content }] : content
  );
  const images = parts.filter((part) => part.type === "image").length;
  const documents = parts.filter((part) => part.type === "document");
  const pages = documents.reduce((sum, { url }) => sum + pagesOf(url.length), 0);
  const text = parts.map((part) => part.type === "text" ? part.text : "").join("\n");
  return {
    images: images > 0,
    documents: documents.length > 0,
    thinking: thinkingMode,
    webSearch,
    tools: (tools?.length ?? 0) > 0,
    inputTokens: await estimateTokens(text) + images * IMAGE_TOKENS + pages * PAGE_TOKENS,
  };
}
