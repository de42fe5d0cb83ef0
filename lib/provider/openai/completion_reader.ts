import { isObject, type Json, type JsonObject, ownEntry } from "../../base/json.ts";
import { AnswerReader } from "../api/answer_reader.ts";
import type { ProviderErrorInfo } from "../api/provider_errors.ts";
import type { Dialect } from "../dialect/dialect.ts";
import type { FinishReason, ToolCall } from "../provider.ts";

/** The finish reasons of the providers. The last three are Z.AI's. */
const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
  content_filter: "content_filter",
  sensitive: "content_filter",
  model_context_window_exceeded: "length",
};

/** Finish reasons of Z.AI and OpenRouter for a truncated answer. */
const TRUNCATED: readonly string[] = ["network_error", "error"];

/**
 * Assembles an answer from the events of a stream (OpenAI, chat completion chunk object).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CompletionReader } from "./completion_reader.ts";
 *
 * const answer = new CompletionReader({ provider: "acme" }, {});
 * answer.add({ choices: [{ delta: { content: "Hello" } }] });
 * answer.add({ choices: [{ delta: { content: " world" }, finish_reason: "stop" }] });
 * answer.finish();
 * assertEquals([answer.text, answer.finishReason], ["Hello world", "stop"]);
 * ```
 */
export class CompletionReader extends AnswerReader {
  readonly #dialect: Pick<Dialect, "answerBuiltin" | "chargedUsd">;
  readonly #calls = new Map<number, ToolCall & { type: string }>();

  constructor(errorInfo: ProviderErrorInfo, dialect: Pick<Dialect, "answerBuiltin" | "chargedUsd">) {
    super(errorInfo);
    this.#dialect = dialect;
  }

  get toolCalls(): ToolCall[] {
    return this.#sortedCalls().map(({ id, name, arguments: args }) => ({ id, name, arguments: args }));
  }

  override followUp(body: JsonObject): JsonObject | undefined {
    const results = this.#answerBuiltins();
    if (results === undefined) return undefined;
    return { ...body, messages: [...body.messages as JsonObject[], this.#toMessage(), ...results] };
  }

  /** The results of the calls if all of them are of built-in tools; otherwise undefined. */
  #answerBuiltins(): JsonObject[] | undefined {
    const calls = this.toolCalls;
    const { answerBuiltin } = this.#dialect;
    if (calls.length === 0 || answerBuiltin === undefined) return undefined;
    const results = calls.map((call) => ({ call, content: answerBuiltin(call) }));
    if (results.some(({ content }) => content === undefined)) return undefined;
    return results.map(({ call, content }) => ({
      role: "tool",
      tool_call_id: call.id,
      name: call.name,
      content,
    }));
  }

  /** The answer as a message for a follow-up request, with its tool calls unchanged. */
  #toMessage(): JsonObject {
    return {
      role: "assistant",
      content: this.text,
      ...(this.reasoning === "" ? {} : { reasoning_content: this.reasoning }),
      tool_calls: this.#sortedCalls().map(({ id, type, name, arguments: args }) => ({
        id,
        type,
        function: { name, arguments: args },
      })),
    };
  }

  #sortedCalls() {
    return [...this.#calls.entries()].sort(([a], [b]) => a - b).map(([, call]) => call);
  }

  protected override read(chunk: unknown): void {
    if (!isObject(chunk)) throw this.malformed("an event that is no object");
    if (typeof chunk.model === "string") this.model = chunk.model;
    const choice = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
    // Without stream_options Kimi reports the usage only within the choice.
    this.#addUsage(chunk.usage ?? (isObject(choice) ? choice.usage : undefined));
    this.#addCitations(chunk.web_search, "link");
    if (!isObject(choice)) return;
    // A server without streaming answers with the whole message.
    this.#addDelta(isObject(choice.delta) ? choice.delta : isObject(choice.message) ? choice.message : {});
    this.#addFinish(choice.finish_reason);
  }

  #addDelta(delta: JsonObject): void {
    if (typeof delta.content === "string") this.text += delta.content;
    // Kimi, Z.AI and DeepSeek use reasoning_content; OpenRouter, Ollama and newer vLLM reasoning.
    const reasoning = delta.reasoning_content ?? delta.reasoning;
    if (typeof reasoning === "string") this.reasoning += reasoning;
    if (Array.isArray(delta.tool_calls)) delta.tool_calls.forEach((call, i) => this.#addCall(call, i));
    const cited = Array.isArray(delta.annotations) ? delta.annotations : [];
    this.#addCitations(cited.map((one) => isObject(one) ? one.url_citation ?? one : one), "url");
  }

  #addCall(part: Json, position: number): void {
    if (!isObject(part)) return;
    const index = typeof part.index === "number" ? part.index : position;
    const call = this.#calls.get(index) ?? { id: "", type: "function", name: "", arguments: "" };
    this.#calls.set(index, call);
    if (typeof part.id === "string" && part.id !== "") call.id = part.id;
    if (typeof part.type === "string") call.type = part.type;
    if (!isObject(part.function)) return;
    if (typeof part.function.name === "string") call.name += part.function.name;
    if (typeof part.function.arguments === "string") call.arguments += part.function.arguments;
  }

  #addFinish(reason: Json | undefined): void {
    if (typeof reason !== "string") return;
    if (TRUNCATED.includes(reason)) throw this.truncated(`it said ${reason}`);
    this.finishReason = ownEntry(FINISH_REASONS, reason) ?? "stop";
  }

  #addUsage(usage: Json | undefined): void {
    if (!isObject(usage)) return;
    this.chargedUsd = this.#dialect.chargedUsd?.(usage);
    const count = (value: Json | undefined) => typeof value === "number" ? value : undefined;
    const details = (value: Json | undefined) => isObject(value) ? value : {};
    const inputTokens = count(usage.prompt_tokens);
    const outputTokens = count(usage.completion_tokens);
    if (inputTokens === undefined || outputTokens === undefined) return;
    this.usage = {
      inputTokens,
      outputTokens,
      cachedTokens: count(details(usage.prompt_tokens_details).cached_tokens) ?? count(usage.cached_tokens),
      reasoningTokens: count(details(usage.completion_tokens_details).reasoning_tokens),
    };
  }

  #addCitations(found: Json | undefined, urlField: string): void {
    for (const one of Array.isArray(found) ? found : []) {
      if (isObject(one)) this.cite(one[urlField], one.title);
    }
  }
}
