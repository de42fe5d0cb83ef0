import { isObject, type Json, type JsonObject } from "../../base/json.ts";
import type { ModelEntry } from "../catalogue/catalogue.ts";
import { nearestEffort } from "../catalogue/thinking.ts";
import type { ModelInfo, ThinkingMode } from "../provider.ts";
import type { Dialect } from "./dialect.ts";

/** The efforts OpenRouter takes for any model that thinks, and maps to those of the model. */
const EFFORTS = ["minimal", "low", "medium", "high", "xhigh"] as const;

/** OpenRouter (https://openrouter.ai/docs/api/api-reference/chat). */
export const OPENROUTER: Dialect = {
  maxTokensField: "max_tokens",
  asksForUsage: true,
  fetchesImages: true,
  hasJsonMode: false,
  thinking,
  // The server tool; the plugin {"id": "web"} is deprecated in its favour
  // (https://openrouter.ai/docs/guides/features/server-tools/web-search).
  webSearch: () => ({ tools: [{ type: "openrouter:web_search" }] }),
  describe,
};

/** https://openrouter.ai/docs/guides/best-practices/reasoning-tokens */
function thinking(model: ModelInfo, mode: ThinkingMode | undefined): JsonObject {
  if (mode === undefined || typeof model.thinking === "string") return {};
  return { reasoning: { effort: nearestEffort(model.thinking, mode) } };
}

/** The list describes models in full (https://openrouter.ai/docs/guides/overview/models). */
function describe(listed: JsonObject): Omit<ModelEntry, "name"> | undefined {
  const architecture = isObject(listed.architecture) ? listed.architecture : {};
  const outputs = strings(architecture.output_modalities);
  if (outputs.length > 0 && !outputs.includes("text")) return undefined;
  const top = isObject(listed.top_provider) ? listed.top_provider : {};
  const takes = strings(listed.supported_parameters);
  return {
    contextTokens: number(top.context_length) ?? number(listed.context_length),
    maxOutputTokens: number(top.max_completion_tokens),
    images: strings(architecture.input_modalities).includes("image"),
    tools: takes.includes("tools"),
    // Web search is a server tool of OpenRouter, available to every model that calls tools.
    search: takes.includes("tools"),
    thinking: takes.includes("reasoning") ? EFFORTS : "none",
    temperature: takes.includes("temperature"),
    jsonSchema: takes.includes("structured_outputs"),
  };
}

function strings(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function number(value: Json | undefined): number | undefined {
  return typeof value === "number" && value > 0 ? value : undefined;
}
