import { type JsonObject, textOf } from "../../base/json.ts";
import { nearestEffort } from "../catalogue/thinking.ts";
import type { ModelInfo, ThinkingMode } from "../provider.ts";
import { type Dialect, windowOf } from "./dialect.ts";

/** Ids of models that OpenAI lists and that do not chat. */
const NO_CHAT =
  /embedding|whisper|tts|dall-e|image|moderation|realtime|audio|transcribe|sora|babbage|davinci|-pro\b/;

/** OpenAI (https://developers.openai.com/api/docs/api-reference/chat/create). */
export const OPENAI: Dialect = {
  maxTokensField: "max_completion_tokens",
  asksForUsage: true,
  fetchesImages: true,
  hasJsonMode: true,
  thinking,
  // Only the search models search in chat completions. They always do; the field makes it explicit
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
