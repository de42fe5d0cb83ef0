import type { ErrorCode } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { ToolResult } from "../wire/mcp.ts";

/** What a tool gives back; the envelope around it is the registry's. */
export interface ToolOutput {
  /** `success` unless the tool has more to say: `pause_for_planning`, `planning_complete`. */
  status?: string;
  /** Text, or an object, which is then of content type `json`. */
  content: string | JsonObject;
  /** `text` for a string unless said otherwise. */
  contentType?: "text" | "markdown";
  /** Which model answered, through whom, and what it used; absent when no model was asked. */
  model?: string;
  provider?: string;
  usage?: JsonObject;
  /** What else is worth knowing of how the answer came about; stands in `metadata`. */
  facts?: JsonObject;
  /** Set when the tool failed although it has something to say: its state, how to repeat the call. */
  failure?: ToolFailure;
  /** How to go on with the same thread. */
  continuation?: Continuation;
}

/** Why a call failed. */
interface ToolFailure {
  code: ErrorCode;
  /** When it may be tried again, in milliseconds. */
  retryAfterMs?: number;
}

/** A thread that can be continued, as the envelope shows it. */
export interface Continuation {
  continuation_id: string;
  remaining_turns: number;
}

/** Every tool's answer, as text block and as `structuredContent`. */
export interface Envelope extends JsonObject {
  status: string;
  content: string | JsonObject;
  content_type: "text" | "markdown" | "json";
  metadata: JsonObject & { tool: string; duration_ms: number };
  continuation_offer: (JsonObject & Continuation) | null;
}

/**
 * Describes {@linkcode Envelope}. Every definition carries it, so it says no more than a client must know: `content`
 * is an object when `content_type` is json, `continuation_offer` may be null.
 */
export const OUTPUT_SCHEMA: JsonObject = {
  type: "object",
  properties: {
    status: { type: "string" },
    content: {},
    content_type: { type: "string", enum: ["text", "markdown", "json"] },
    metadata: { type: "object" },
    continuation_offer: {},
  },
  required: ["status", "content", "content_type", "metadata", "continuation_offer"],
};

const NO_OUTPUT: ToolOutput = { content: "The tool has nothing to say; it is done." };

/** `answer` in its envelope as the result of `tools/call`; one that is missing still makes a well-formed result. */
export function toToolResult(
  answer: ToolOutput | undefined,
  facts: { tool: string; durationMs: number },
): ToolResult {
  const { status, content, contentType, model, provider, usage, failure, continuation, facts: more } =
    answer ??
      NO_OUTPUT;
  const result = enclose({
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

/** A failure as a tool execution error: the model reads it and can do better. */
export function toErrorResult(
  failure: ToolFailure & { message: string },
  facts: { tool: string; durationMs: number },
): ToolResult {
  return toToolResult({ content: failure.message, failure }, facts);
}

function enclose(envelope: Envelope): ToolResult {
  return { content: [{ type: "text", text: JSON.stringify(envelope) }], structuredContent: envelope };
}
