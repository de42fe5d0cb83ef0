import type { ErrorCode, ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { partialAnswerOf } from "../provider/partial_answer.ts";
import type { ToolResult } from "../wire/mcp.ts";

/** The output of a tool; {@linkcode toToolResult} wraps it in an {@linkcode Envelope}. */
export interface ToolOutput {
  /** Defaults to `success` or `error`; stepwise tools set `pause_for_planning`, `planning_complete` and so on. */
  status?: string;
  /** A text, or an object for the content type `json`. */
  content: string | JsonObject;
  /** The type of a text; defaults to `text`. */
  contentType?: "text" | "markdown";
  /** The model that answered, its provider and the usage; absent if no model was asked. */
  model?: string;
  provider?: string;
  usage?: JsonObject;
  /** Further fields of `metadata`. */
  facts?: JsonObject;
  /** Set if the tool failed but has content, such as its state and how to repeat the call. */
  failure?: ToolFailure;
  /** How to continue the thread. */
  continuation?: Continuation;
}

/** Why a call failed. */
interface ToolFailure {
  code: ErrorCode;
  /** When to retry, in milliseconds. */
  retryAfterMs?: number;
}

/** A thread that can be continued. */
export interface Continuation {
  continuation_id: string;
  remaining_turns: number;
}

/** The result of every tool, sent as a text block and as `structuredContent`. */
export interface Envelope extends JsonObject {
  status: string;
  content: string | JsonObject;
  content_type: "text" | "markdown" | "json";
  metadata: JsonObject & { tool: string; duration_ms: number };
  continuation_offer: (JsonObject & Continuation) | null;
}

/**
 * The schema of {@linkcode Envelope}. It is part of every definition and therefore says no more than that there is
 * structured content: models read the answer itself.
 */
export const OUTPUT_SCHEMA: JsonObject = { type: "object" };

const NO_OUTPUT: ToolOutput = { content: "The tool has nothing to say; it is done." };

/** Wraps the output of a tool as the result of `tools/call`. Without output the result is still well formed. */
export function toToolResult(
  output: ToolOutput | undefined,
  facts: { tool: string; durationMs: number },
): ToolResult {
  const { status, content, contentType, model, provider, usage, failure, continuation, facts: more } =
    output ?? NO_OUTPUT;
  const result = wrap({
    status: status ?? (failure ? "error" : "success"),
    content,
    content_type: typeof content === "string" ? contentType ?? "text" : "json",
    metadata: {
      tool: facts.tool,
      model,
      provider,
      usage,
      duration_ms: Math.round(facts.durationMs),
      ...more,
      error_code: failure?.code,
      retry_after_ms: failure?.retryAfterMs,
    },
    continuation_offer: continuation ? { ...continuation } : null,
  });
  return failure ? { ...result, isError: true } : result;
}

/** Wraps an error as a tool execution error, which the model can read and act on. */
export function toErrorResult(
  failure: ExaiError,
  facts: { tool: string; durationMs: number },
): ToolResult {
  return toToolResult({ content: failure.message, failure, facts: partialAnswerOf(failure) }, facts);
}

function wrap(envelope: Envelope): ToolResult {
  return { content: [{ type: "text", text: JSON.stringify(envelope) }], structuredContent: envelope };
}
