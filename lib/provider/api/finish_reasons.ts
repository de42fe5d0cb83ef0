import { ownEntry } from "../../base/json.ts";
import type { FinishReason } from "../provider.ts";

/**
 * What a reason for the end of an answer means; `none`: the answer has not ended; `broken`: it is not complete, and nothing
 * can be made of it.
 */
type FinishMeaning = FinishReason | "none" | "broken";

/**
 * The finish reasons of all providers, in the form of {@linkcode normalized}. Chat completions: OpenAI, Kimi, Z.AI (`sensitive`,
 * `network_error`, `model_context_window_exceeded`), DeepSeek (`insufficient_system_resource`), Mistral
 * (`model_length`), DashScope (`null`), watsonx (`not_finished`, `token_limit`, `time_limit`), OpenRouter (`error`), TGI (`eos_token`), vLLM and SGLang (`abort`, `repetition`), Ollama (`load`).
 * Gateways pass on those of Anthropic (`end_turn`), Gemini (`MAX_TOKENS`), Bedrock and Cohere (`COMPLETE`).
 */
const MEANINGS: Readonly<Record<FinishMeaning, readonly string[]>> = {
  stop: [
    "stop",
    "end_turn",
    "stop_sequence",
    "stop_token",
    "eos",
    "eos_token",
    "complete",
    "completed",
    "done",
    "end",
    "finished",
    "eos_token_id",
  ],
  length: [
    "length",
    "max_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "max_length",
    "model_length",
    "model_context_window_exceeded",
    "context_length_exceeded",
    "continuation",
    "max_new_tokens",
    "token_limit",
    "time_limit",
  ],
  tool_calls: ["tool_calls", "tool_call", "tool_use", "function_call", "function_calls"],
  content_filter: [
    "content_filter",
    "content_filtered",
    "content_moderation",
    "sensitive",
    "safety",
    "image_safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "language",
    "model_armor",
    "escalation",
    "pup_limited_disabled",
    "image_prohibited_content",
    "image_recitation",
    "refusal",
    "guardrail_intervened",
    "error_toxic",
  ],
  none: ["", "null", "none", "undefined", "unspecified", "not_finished", "in_progress"],
  broken: [
    "error",
    "error_limit",
    "network_error",
    "server_error",
    "insufficient_system_resource",
    "engine_overloaded",
    "abort",
    "aborted",
    "cancelled",
    "canceled",
    "interrupted",
    "incomplete",
    "failed",
    "timeout",
    "repetition",
    "malformed_function_call",
    "malformed_response",
    "unexpected_tool_call",
    "too_many_tool_calls",
    "missing_thought_signature",
    "load",
    "unload",
  ],
};

const MEANING_BY_REASON: Readonly<Record<string, FinishMeaning>> = Object.fromEntries(
  (Object.keys(MEANINGS) as FinishMeaning[]).flatMap((meaning) =>
    MEANINGS[meaning].map((reason) => [normalized(reason), meaning])
  ),
);

/**
 * What `reason` means, whoever gave it, and however it is written: `tool-calls`, `maxTokens`, `FinishReason.STOP`,
 * `FINISH_REASON_SAFETY`. Undefined for one that is not known.
 */
export function meaningOf(reason: string): FinishMeaning | undefined {
  return ownEntry(MEANING_BY_REASON, normalized(reason));
}

function normalized(reason: string): string {
  return reason.toLowerCase().replaceAll(/[^a-z0-9]/g, "").replace(/^finishreason/, "");
}
