import { isObject, type JsonObject, textOf } from "../../base/json.ts";
import type { ModelEntry } from "../catalogue/catalogue.ts";
import type { ResponsesDialect } from "../responses/response_body.ts";
import { type Dialect, reasoningEffort, windowOf } from "./dialect.ts";

/** Ids of models that local servers list and that do not chat. */
const NO_CHAT = /embed|rerank|whisper|\btts\b|diffusion/i;

/** The Responses API of such a server, for models whose entry in models.json says `"api": "responses"`. */
export const CUSTOM_RESPONSES: ResponsesDialect = {
  summarisesReasoning: false,
  searchIncludes: [],
  hasJsonMode: false,
};

/** Any server of the OpenAI API: LM Studio, vLLM, llama.cpp, Ollama, a gateway. */
export const CUSTOM: Dialect = {
  maxTokensField: "max_tokens",
  asksForUsage: true,
  fetchesImages: false,
  hasJsonMode: false,
  // Ollama (https://docs.ollama.com/api/openai-compatibility), vLLM and LM Studio take it. It is sent only to models
  // described as thinking, by Ollama or in models.json.
  thinking: reasoningEffort,
  describe,
};

function describe(listed: JsonObject): Omit<ModelEntry, "name"> | undefined {
  const id = textOf(listed.id) ?? "";
  if (NO_CHAT.test(id) || listed.type === "embeddings") return undefined;
  const capabilities = capabilitiesOf(listed);
  const contextTokens = windowOf(listed);
  return {
    contextTokens,
    maxOutputTokens: contextTokens && Math.floor(contextTokens / 4),
    images: listed.type === "vlm" || capabilities.includes("vision") || capabilities.includes("multimodal"),
    tools: capabilities.includes("tools") || capabilities.includes("tool_use"),
    thinking: capabilities.includes("thinking") ? ["none", "low", "medium", "high"] : undefined,
    auto: true,
  };
}

/** The capabilities as LM Studio, llama.cpp and (through its own API) Ollama list them. */
function capabilitiesOf(listed: JsonObject): string[] {
  const { capabilities } = listed;
  if (Array.isArray(capabilities)) return capabilities.map(String);
  return isObject(capabilities)
    ? Object.keys(capabilities).filter((name) => capabilities[name] === true)
    : [];
}
