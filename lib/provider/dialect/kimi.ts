import type { JsonObject } from "../../base/json.ts";
import { nearestEffort } from "../catalogue/thinking.ts";
import type { ModelInfo, ThinkingMode } from "../provider.ts";
import { type Dialect, windowOf } from "./dialect.ts";

/** The web search tool that Kimi runs itself (https://platform.kimi.ai/docs/guide/use-web-search). */
const KIMI_WEB_SEARCH = "$web_search";

/** Kimi (https://platform.kimi.ai/docs/api/chat). */
export const KIMI: Dialect = {
  // max_tokens is deprecated, and the default limit is too short for a review.
  maxTokensField: "max_completion_tokens",
  alwaysBoundsOutput: true,
  asksForUsage: true,
  // Images are sent as base64 or as an uploaded file (https://platform.kimi.ai/docs/guide/use-kimi-vision-model).
  fetchesImages: false,
  // K3 and K2 thinking need the reasoning_content of earlier turns (.../docs/guide/use-kimi-k2-thinking-model).
  takesReasoningBack: true,
  hasJsonMode: true,
  thinking,
  webSearch: () => ({ tools: [{ type: "builtin_function", function: { name: KIMI_WEB_SEARCH } }] }),
  // The search runs at Kimi: its call is answered with its own arguments, unchanged.
  answerBuiltin: (call) => call.name === KIMI_WEB_SEARCH ? call.arguments : undefined,
  describe: (listed) => ({
    contextTokens: windowOf(listed),
    images: typeof listed.supports_image_in === "boolean" ? listed.supports_image_in : undefined,
    thinking: listed.supports_reasoning === true ? "always" : undefined,
    files: true,
  }),
};

/**
 * K3 takes `reasoning_effort`, K2.5 and K2.6 a switch (https://platform.kimi.ai/docs/api/models-overview). Thinking
 * must be off while they search the web (.../docs/guide/use-web-search).
 */
function thinking(model: ModelInfo, mode: ThinkingMode | undefined, how: { webSearch: boolean }): JsonObject {
  const control = model.thinking;
  if (typeof control !== "string") {
    return mode === undefined ? {} : { reasoning_effort: nearestEffort(control, mode) };
  }
  if (control !== "switch") return {};
  if (how.webSearch && model.searchStopsThinking) return { thinking: { type: "disabled" } };
  if (mode === undefined) return {};
  return { thinking: { type: mode === "minimal" ? "disabled" : "enabled" } };
}
