import { isObject, type Json, type JsonObject, numberOf, textOf } from "../../base/json.ts";
import { AnswerReader } from "../api/answer_reader.ts";
import type { ToolCall } from "../provider.ts";

/**
 * Assembles an answer from the responses of a stream (https://ai.google.dev/api/generate-content).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { GeminiReader } from "./gemini_reader.ts";
 *
 * const answer = new GeminiReader({ provider: "gemini" });
 * answer.add({ candidates: [{ content: { parts: [{ text: "A greeting.", thought: true }] } }] });
 * answer.add({ candidates: [{ content: { parts: [{ text: "Hello" }] }, finishReason: "STOP" }] });
 * answer.finish();
 * assertEquals([answer.reasoning, answer.text, answer.finishReason], ["A greeting.", "Hello", "stop"]);
 * ```
 */
export class GeminiReader extends AnswerReader {
  readonly #parts: JsonObject[] = [];
  readonly #calls: ToolCall[] = [];

  get toolCalls(): ToolCall[] {
    return [...this.#calls];
  }

  /** Thoughts without a summary are counted, or leave their signature alone. */
  protected override get hasHiddenOutput(): boolean {
    return this.#parts.length > 0 || (this.usage?.outputTokens ?? 0) > 0;
  }

  override get itemsToRepeat(): JsonObject[] | undefined {
    return this.#calls.length > 0 ? this.#parts : undefined;
  }

  protected override read(event: JsonObject): void {
    this.model = textOf(event.modelVersion) ?? this.model;
    this.#addUsage(event.usageMetadata);
    const { promptFeedback } = event;
    // A question that is blocked has no candidates.
    if (isObject(promptFeedback) && typeof promptFeedback.blockReason === "string") {
      this.finishReason = "content_filter";
      this.heldBackBy(promptFeedback.blockReason, textOf(promptFeedback.blockReasonMessage));
    }
    const candidate = Array.isArray(event.candidates) ? event.candidates[0] : undefined;
    if (!isObject(candidate)) return;
    const parts = isObject(candidate.content) ? candidate.content.parts : undefined;
    for (const part of Array.isArray(parts) ? parts : []) this.#addPart(part);
    if (typeof parts === "string") this.#addPart({ text: parts });
    this.#addSources(candidate.groundingMetadata);
    this.endBy(textOf(candidate.finishReason) ?? "");
    this.heldBackBy(textOf(candidate.finishReason), textOf(candidate.finishMessage));
  }

  #addPart(part: Json): void {
    if (!isObject(part)) return;
    this.#parts.push(part);
    const text = textOf(part.text) ?? "";
    if (part.thought === true) this.reasoning += text;
    else this.text += text;
    const { functionCall: call } = part;
    if (!isObject(call) || typeof call.name !== "string") return;
    this.#calls.push({
      // Models before Gemini 3 give their calls no ids.
      id: textOf(call.id) ?? `call_${this.#calls.length + 1}`,
      name: call.name,
      arguments: JSON.stringify(call.args ?? {}),
    });
  }

  #addSources(grounding: Json | undefined): void {
    const chunks = isObject(grounding) ? grounding.groundingChunks : undefined;
    for (const chunk of Array.isArray(chunks) ? chunks : []) {
      if (isObject(chunk) && isObject(chunk.web)) this.cite(chunk.web.uri, chunk.web.title);
    }
  }

  /** The counts are cumulative: the last response has those of the whole answer. */
  #addUsage(usage: Json | undefined): void {
    if (!isObject(usage) || typeof usage.promptTokenCount !== "number") return;
    const reasoningTokens = numberOf(usage.thoughtsTokenCount);
    this.usage = {
      // What a search found is read as well.
      inputTokens: usage.promptTokenCount + (numberOf(usage.toolUsePromptTokenCount) ?? 0),
      outputTokens: (numberOf(usage.candidatesTokenCount) ?? 0) + (reasoningTokens ?? 0),
      cachedTokens: numberOf(usage.cachedContentTokenCount),
      reasoningTokens,
    };
  }
}
