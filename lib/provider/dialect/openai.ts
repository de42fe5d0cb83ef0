import { type JsonObject, textOf } from "../../base/json.ts";
import { nearestEffort } from "../catalogue/thinking.ts";
import type { ModelInfo, ThinkingMode } from "../provider.ts";
import type { ResponsesDialect } from "../responses/response_body.ts";
import { type Dialect, windowOf } from "./dialect.ts";

/** Ids of models that OpenAI lists and that do not chat, or only with tools of OpenAI's own (the last two). */
const NO_CHAT =
  /embedding|whisper|tts|dall-e|image|moderation|realtime|audio|transcribe|translate|live|sora|babbage|davinci|instruct|deep-research|computer-use/;

/** Ids of models that are older than the Responses API, or that only chat completions has. */
const CHAT_ONLY = /^(ft:)?(gpt-3|gpt-4|chatgpt)|-search-/;

/** The Responses API of OpenAI (https://developers.openai.com/api/docs/api-reference/responses/create). */
export const OPENAI_RESPONSES: ResponsesDialect = {
  summarisesReasoning: true,
  // Beside the pages an answer cites, all that were looked at (.../docs/guides/tools-web-search).
  searchIncludes: ["web_search_call.action.sources"],
  hasJsonMode: true,
};

/** OpenAI's chat completions (https://developers.openai.com/api/docs/api-reference/chat/create). */
export const OPENAI: Dialect = {
  maxTokensField: "max_completion_tokens",
  asksForUsage: true,
  fetchesImages: true,
  hasJsonMode: true,
  thinking,
  // Only the search models search in chat completions. They always do; the field makes it explicit
  // (https://developers.openai.com/api/docs/guides/tools-web-search).
  webSearch: () => ({ fields: { web_search_options: {} } }),
  describe: (listed) => {
    const id = textOf(listed.id) ?? "";
    if (NO_CHAT.test(id)) return undefined;
    const contextTokens = windowOf(listed);
    return CHAT_ONLY.test(id) ? { contextTokens } : { contextTokens, api: "responses", temperature: false };
  },
};

/** https://developers.openai.com/api/docs/guides/reasoning */
function thinking(model: ModelInfo, mode: ThinkingMode | undefined): JsonObject {
  if (mode === undefined || typeof model.thinking === "string") return {};
  return { reasoning_effort: nearestEffort(model.thinking, mode) };
}
