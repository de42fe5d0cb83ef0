import { isObject, type Json, type JsonObject } from "../../base/json.ts";
import { type ModelEntry, SHIPPED_MODELS } from "../catalogue/catalogue.ts";
import { nearestEffort } from "../catalogue/thinking.ts";
import type { ModelInfo, ThinkingMode } from "../provider.ts";
import { alwaysSearches } from "../routing/variants.ts";
import { type Dialect, positiveNumber, stringsIn } from "./dialect.ts";

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
  webSearch: ({ name }) => alwaysSearches(name) ? {} : { tools: [{ type: "openrouter:web_search" }] },
  describe,
  chargedUsd,
};

/** https://openrouter.ai/docs/guides/best-practices/reasoning-tokens */
function thinking(model: ModelInfo, mode: ThinkingMode | undefined): JsonObject {
  if (mode === undefined || typeof model.thinking === "string") return {};
  return { reasoning: { effort: nearestEffort(model.thinking, mode) } };
}

/** The list describes models in full (https://openrouter.ai/docs/guides/overview/models). */
function describe(listed: JsonObject): Omit<ModelEntry, "name"> | undefined {
  const architecture = isObject(listed.architecture) ? listed.architecture : {};
  const outputs = stringsIn(architecture.output_modalities);
  if (outputs.length > 0 && !outputs.includes("text")) return undefined;
  const top = isObject(listed.top_provider) ? listed.top_provider : {};
  const takes = stringsIn(listed.supported_parameters);
  const { class: modelClass, aliases, auto } = knownElsewhere(listed.id);
  return {
    class: modelClass,
    aliases,
    auto,
    price: priceOf(listed.pricing),
    contextTokens: positiveNumber(top.context_length) ?? positiveNumber(listed.context_length),
    maxOutputTokens: positiveNumber(top.max_completion_tokens),
    images: stringsIn(architecture.input_modalities).includes("image"),
    tools: takes.includes("tools"),
    // Web search is a server tool of OpenRouter, available to every model that calls tools.
    search: takes.includes("tools"),
    thinking: takes.includes("reasoning") ? EFFORTS : "none",
    temperature: takes.includes("temperature"),
    jsonSchema: takes.includes("structured_outputs"),
  };
}

/**
 * Usage holds the charge in credits, which are dollars; with a key of the user's own at the vendor, the vendor's charge is
 * on top (https://openrouter.ai/docs/cookbook/administration/usage-accounting).
 */
function chargedUsd({ cost, is_byok, cost_details }: JsonObject): number | undefined {
  if (typeof cost !== "number" || cost < 0) return undefined;
  const upstream = isObject(cost_details) ? cost_details.upstream_inference_cost : undefined;
  return is_byok === true && typeof upstream === "number" ? cost + upstream : cost;
}

/** The same model of its own vendor, as the shipped catalogue has it: `openai/gpt-5.5`, `anthropic/claude-opus-4.8`. */
function knownElsewhere(id: Json | undefined): Partial<ModelEntry> {
  const plain = (name: string) => name.replaceAll(".", "-");
  const [, name = ""] = String(id).split("/");
  return SHIPPED_MODELS.find((model) => plain(model.name) === plain(name)) ?? {};
}

const TOKENS_PER_PRICE = 1_000_000;

/** OpenRouter lists prices per token, as texts; -1 where they vary. */
function priceOf(pricing: Json | undefined): ModelEntry["price"] {
  const { prompt, completion, input_cache_read } = isObject(pricing) ? pricing : {};
  const perMillion = (text: Json | undefined) =>
    text === undefined || text === null || !(Number(text) >= 0)
      ? undefined
      // Per-token prices have up to ten digits after the point.
      : Math.round(Number(text) * TOKENS_PER_PRICE * 10_000) / 10_000;
  const [input, output, cachedInput] = [prompt, completion, input_cache_read].map(perMillion);
  if (input === undefined || output === undefined) return undefined;
  return { input, output, cachedInput, source: "OpenRouter's list" };
}
