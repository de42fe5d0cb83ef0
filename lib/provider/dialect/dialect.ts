import type { JsonObject } from "../../base/json.ts";
import type { ModelEntry } from "../catalogue/catalogue.ts";
import type { ModelInfo, ThinkingMode, ToolCall } from "../provider.ts";

/** What a provider adds to, or does otherwise than, the API of OpenAI that all of them speak. */
export interface Dialect {
  /** Field that bounds the answer. */
  maxTokensField: "max_tokens" | "max_completion_tokens";
  /** Whether the bound is always said, because the provider's own is lower than what a review needs. */
  alwaysBoundsOutput?: boolean;
  /** Whether the usage of a stream comes only when `stream_options` asks for it. */
  asksForUsage: boolean;
  /** Whether it fetches images by `https:` itself. */
  fetchesImages: boolean;
  /** Whether the thoughts of earlier answers go back to it. */
  takesReasoningBack?: boolean;
  /** Whether it knows `response_format: {"type": "json_object"}`. */
  hasJsonMode: boolean;
  /**
   * Fields that make `model` think as `mode` says; undefined: as it will. Only called with a mode that the model can
   * be set to.
   */
  thinking(model: ModelInfo, mode: ThinkingMode | undefined, how: { webSearch: boolean }): JsonObject;
  /** Fields and tools that let `model` search the web. Only called for one that can. */
  webSearch?(model: ModelInfo): { fields?: JsonObject; tools?: JsonObject[] };
  /** What answers a call of a tool that the provider itself runs; undefined for the caller's own tools. */
  answerBuiltin?(call: ToolCall): string | undefined;
  /** What an entry of `/models` says of a model; undefined for one that does not chat. */
  describe(listed: JsonObject): Omit<ModelEntry, "name"> | undefined;
}

/** What servers of several kinds say about the window of a model in `/models`. */
export function windowOf(listed: JsonObject): number | undefined {
  const meta = listed.meta as JsonObject | undefined;
  const said = [
    // LM Studio: what it was loaded with, then what it could have.
    listed.loaded_context_length,
    // Kimi, OpenRouter.
    listed.context_length,
    // vLLM.
    listed.max_model_len,
    listed.max_context_length,
    // llama.cpp: what it was started with; the training length beside it is more than it has.
    meta?.n_ctx,
  ];
  return said.find((tokens) => typeof tokens === "number" && tokens > 0) as number | undefined;
}
