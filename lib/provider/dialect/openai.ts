import { textOf } from "../../base/json.ts";
import type { ResponsesDialect } from "../responses/response_body.ts";
import { type Dialect, reasoningEffort, windowOf } from "./dialect.ts";

/** Ids of models that OpenAI lists and that do not chat, or only with tools of OpenAI's own (the last two). */
const NO_CHAT =
  /embedding|whisper|tts|dall-e|image|moderation|realtime|audio|transcribe|translate|live|sora|babbage|davinci|instruct|deep-research|computer-use/;

/**
 * Ids of OpenAI's own models that are not older than the Responses API. A gateway lists others, which it mostly has in chat
 * completions alone, as it has open models and the search models.
 */
const HAS_RESPONSES = /^(ft:)?(gpt-(?!3|4|oss)|o\d|codex-)(?!.*-search-)/;

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
  // https://developers.openai.com/api/docs/guides/reasoning
  thinking: reasoningEffort,
  // Only the search models search in chat completions. They always do; the field makes it explicit
  // (https://developers.openai.com/api/docs/guides/tools-web-search).
  webSearch: () => ({ fields: { web_search_options: {} } }),
  describe: (listed) => {
    const id = textOf(listed.id) ?? "";
    if (NO_CHAT.test(id)) return undefined;
    const contextTokens = windowOf(listed);
    return HAS_RESPONSES.test(id)
      ? { contextTokens, api: "responses", temperature: false }
      : { contextTokens };
  },
};
