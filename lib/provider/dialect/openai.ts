import { type JsonObject, textOf } from "../../base/json.ts";
import { nearestEffort } from "../catalogue/thinking.ts";
import type { ModelInfo, ThinkingMode } from "../provider.ts";
import { type Dialect, windowOf } from "./dialect.ts";

/** What OpenAI lists beside the models that chat. */
const NO_CHAT =
  /embedding|whisper|tts|dall-e|image|moderation|realtime|audio|transcribe|sora|babbage|davinci|-pro\b/;

/** OpenAI (https://developers.openai.com/api/docs/api-reference/chat/create). */
export const OPENAI: Dialect = {
  maxTokensField: "max_completion_tokens",
  asksForUsage: true,
  fetchesImages: true,
  hasJsonMode: true,
  thinking,
  // Chat completions search with the search models alone; they always do, and this says so
  // (https://developers.openai.com/api/docs/guides/tools-web-search).
  webSearch: () => ({ fields: { web_search_options: {} } }),
  describe: (listed) =>
    NO_CHAT.test(textOf(listed.id) ?? "") ? undefined : { contextTokens: windowOf(listed) },
};

/** https://developers.openai.com/api/docs/guides/reasoning */
function thinking(model: ModelInfo, mode: ThinkingMode | undefined): JsonObject {
  if (mode === undefined || typeof model.thinking === "string") return {};
  return { reasoning_effort: nearestEffort(model.thinking, mode) };
}
