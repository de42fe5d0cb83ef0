import { isObject, type Json, type JsonObject } from "../../base/json.ts";
import type { ModelEntry } from "../catalogue/catalogue.ts";
import { nearestEffort } from "../catalogue/thinking.ts";
import type { ModelInfo, ThinkingMode, ToolCall } from "../provider.ts";

/**
 * How a provider differs from the OpenAI chat completions API, which all of them implement.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Dialect, windowOf } from "./dialect.ts";
 *
 * const ACME: Dialect = {
 *   maxTokensField: "max_tokens",
 *   asksForUsage: true,
 *   fetchesImages: false,
 *   hasJsonMode: true,
 *   thinking: (_model, mode) => mode === undefined ? {} : { think: mode !== "minimal" },
 *   describe: (listed) => ({ contextTokens: windowOf(listed) }),
 * };
 * assertEquals(ACME.describe({ id: "acme-1", context_length: 8192 }), { contextTokens: 8192 });
 * ```
 */
export interface Dialect {
  /** The field that limits the tokens of the answer. */
  maxTokensField: "max_tokens" | "max_completion_tokens";
  /** Whether the limit is always sent, because the provider's default is too low for a review. */
  alwaysBoundsOutput?: boolean;
  /** Whether a stream reports its usage only when `stream_options` asks for it. */
  asksForUsage: boolean;
  /** Whether the provider fetches images from `https:` URLs. */
  fetchesImages: boolean;
  /** Whether the reasoning of earlier answers is sent back. */
  takesReasoningBack?: boolean;
  /** Whether it supports `response_format: {"type": "json_object"}`. */
  hasJsonMode: boolean;
  /**
   * The fields that set the thinking of `model` to `mode`; undefined leaves it to the model. Called only with a mode
   * the model supports.
   */
  thinking(model: ModelInfo, mode: ThinkingMode | undefined, how: { webSearch: boolean }): JsonObject;
  /** The fields and tools that enable web search. Called only for a model that can search. */
  webSearch?(model: ModelInfo): { fields?: JsonObject; tools?: JsonObject[] };
  /** The result of a tool call that the provider runs itself; undefined for the caller's own tools. */
  answerBuiltin?(call: ToolCall): string | undefined;
  /** Reads what the provider charged, in US dollars, from the usage of an answer. Absent if it does not say. */
  chargedUsd?(usage: JsonObject): number | undefined;
  /** Reads an entry of `/models`; undefined for a model that does not chat. */
  describe(listed: JsonObject): Omit<ModelEntry, "name"> | undefined;
}

/** Reads the context window of an entry of `/models`, in tokens, in any of the fields servers use for it. */
export function windowOf(listed: JsonObject): number | undefined {
  const meta = isObject(listed.meta) ? listed.meta : {};
  const candidates = [
    // LM Studio: the loaded length, then (below) the longest possible one.
    listed.loaded_context_length,
    // Kimi, OpenRouter.
    listed.context_length,
    // vLLM.
    listed.max_model_len,
    listed.max_context_length,
    // llama.cpp: the length it was started with; n_ctx_train beside it may be longer.
    meta.n_ctx,
  ];
  return candidates.find((tokens): tokens is number => typeof tokens === "number" && tokens > 0);
}

/** The fields by which the OpenAI API, and servers that follow it, take an effort. */
export function reasoningEffort(model: ModelInfo, mode: ThinkingMode | undefined): JsonObject {
  if (mode === undefined || typeof model.thinking === "string") return {};
  return { reasoning_effort: nearestEffort(model.thinking, mode) };
}

/** The strings in a list of a provider's; none if it is no list. */
export function stringsIn(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

/** A count of a provider's; undefined if it is none, or 0. */
export function positiveNumber(value: Json | undefined): number | undefined {
  return typeof value === "number" && value > 0 ? value : undefined;
}
