import { isObject, type JsonObject, textOf } from "../../base/json.ts";
import type { ModelEntry } from "../catalogue/catalogue.ts";
import type { ResponsesDialect } from "../responses/response_body.ts";
import { type Dialect, positiveNumber, reasoningEffort, stringsIn, windowOf } from "./dialect.ts";

/** Ids of models that make images and films. */
const NO_CHAT = /imagine|image|video|voice|embedding/;

/** The Responses API of xAI, the only one with its web search (https://docs.x.ai/developers/tools/web-search). */
export const XAI_RESPONSES: ResponsesDialect = {
  // It sends what it has of the reasoning without being asked (https://docs.x.ai/docs/guides/reasoning).
  summarisesReasoning: false,
  // All sources are part of each answer (https://docs.x.ai/developers/tools/citations).
  searchIncludes: [],
  hasJsonMode: true,
};

/** xAI's chat completions, for gateways without its Responses API (https://docs.x.ai/docs/api-reference). */
export const XAI: Dialect = {
  maxTokensField: "max_completion_tokens",
  asksForUsage: true,
  fetchesImages: true,
  hasJsonMode: true,
  thinking: reasoningEffort,
  describe,
};

/** Reads an entry of `/language-models`, or of `/models`, which says less. */
function describe(listed: JsonObject): Omit<ModelEntry, "name"> | undefined {
  const outputs = stringsIn(listed.output_modalities);
  const id = textOf(listed.id) ?? "";
  if (NO_CHAT.test(id) || (outputs.length > 0 && !outputs.includes("text"))) return undefined;
  const aliases = stringsIn(listed.aliases);
  const inputs = stringsIn(listed.input_modalities);
  return {
    contextTokens: windowOf(listed) ?? positiveNumber(listed.max_prompt_length),
    aliases: aliases.length > 0 ? aliases : undefined,
    images: inputs.length > 0 ? inputs.includes("image") : undefined,
    tools: true,
    search: true,
    api: "responses",
  };
}

/** The models in an answer to `/language-models`. */
export function languageModels(answer: unknown): JsonObject[] {
  const models = isObject(answer) ? answer.models : undefined;
  return Array.isArray(models) ? models.filter(isObject) : [];
}
