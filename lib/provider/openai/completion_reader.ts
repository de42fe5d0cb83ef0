import type { ExaiError } from "../../base/errors.ts";
import { isObject, type Json, type JsonObject, ownEntry } from "../../base/json.ts";
import type { Citation, FinishReason, ToolCall, Usage } from "../provider.ts";
import { providerError, type ProviderErrorInfo } from "./provider_errors.ts";

/** The longest accepted answer including reasoning; no model writes as much. */
const MAX_ANSWER_CHARS = 8_000_000;

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
 * const answer = new CompletionReader({ provider: "acme" });
 * answer.add({ choices: [{ delta: { content: "Hello" } }] });
 * answer.add({ choices: [{ delta: { content: " world" }, finish_reason: "stop" }] });
 * answer.finish();
 * assertEquals([answer.text, answer.finishReason], ["Hello world", "stop"]);
 * ```
 */
export class CompletionReader {
  text = "";
  reasoning = "";
  model: string | undefined;
  usage: Usage | undefined;
  finishReason: FinishReason | undefined;
  readonly citations: Citation[] = [];
  readonly #errorInfo: ProviderErrorInfo;
  readonly #calls = new Map<number, ToolCall & { type: string }>();

  constructor(errorInfo: ProviderErrorInfo) {
    this.#errorInfo = errorInfo;
  }

  /** Characters received, including reasoning. */
  get chars(): number {
    return this.text.length + this.reasoning.length;
  }

  /** Whether there is any output: from then on the request has been billed. */
  get hasOutput(): boolean {
    return this.chars > 0 || this.#calls.size > 0;
  }

  get toolCalls(): ToolCall[] {
    return this.#sortedCalls().map(({ id, name, arguments: args }) => ({ id, name, arguments: args }));
  }

  /** The answer as a message for a follow-up request, with its tool calls unchanged. */
  toMessage(): JsonObject {
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

  /**
   * Adds one event.
   *
   * @throws {ExaiError} the provider error `malformed`, `too_large` or `cut`
   */
  add(chunk: unknown): void {
    if (!isObject(chunk)) throw this.#malformed("an event that is no object");
    if (typeof chunk.model === "string") this.model = chunk.model;
    const choice = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
    // Without stream_options Kimi reports the usage only within the choice.
    this.#addUsage(chunk.usage ?? (isObject(choice) ? choice.usage : undefined));
    this.#addCitations(chunk.web_search, "link");
    if (!isObject(choice)) return;
    // A server without streaming answers with the whole message.
    this.#addDelta(isObject(choice.delta) ? choice.delta : isObject(choice.message) ? choice.message : {});
    this.#addFinish(choice.finish_reason);
    if (this.chars > MAX_ANSWER_CHARS) {
      throw providerError(
        "too_large",
        `the answer of ${this.#errorInfo.provider} grew past ${MAX_ANSWER_CHARS} characters and was stopped; ask for a ` +
          "shorter one",
        this.#errorInfo,
      );
    }
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
      const url = isObject(one) ? one[urlField] : undefined;
      if (!isObject(one) || typeof url !== "string" || url === "") continue;
      if (this.citations.some((known) => known.url === url)) continue;
      this.citations.push({ url, title: typeof one.title === "string" ? one.title : undefined });
    }
  }

  /**
   * Checks that the answer is complete and not empty.
   *
   * @throws {ExaiError} the provider error `cut` or `empty`
   */
  finish(): void {
    if (this.finishReason === undefined) throw this.truncated("the stream ended too soon");
    this.#extractThinkTag();
    if (this.text.trim() !== "" || this.#calls.size > 0) return;
    throw providerError(
      "empty",
      `${this.#errorInfo.provider} said nothing: ${this.#whyEmpty()}`,
      this.#errorInfo,
    );
  }

  /** The error for an answer that broke off because of `why`. */
  truncated(why: string): ExaiError {
    const { provider } = this.#errorInfo;
    return providerError(
      "cut",
      `the answer of ${provider} broke off after ${this.chars} characters: ${why}. It may have been billed, so it was ` +
        "not asked again; repeat the call to ask anew",
      this.#errorInfo,
    );
  }

  /** Without a reasoning parser local servers leave the reasoning in a tag at the start of the text. */
  #extractThinkTag(): void {
    const tag = /^\s*<think>([\s\S]*?)<\/think>\s*/.exec(this.text);
    if (tag === null) return;
    this.reasoning += tag[1]!.trim();
    this.text = this.text.slice(tag[0].length);
  }

  #whyEmpty(): string {
    switch (this.finishReason) {
      case "length":
        return "all it may write went into thinking; ask for less, or set a lower thinking_mode";
      case "content_filter":
        return "its filter held the answer back; put the question differently";
      default:
        return "try again, put the question differently, or name another model";
    }
  }

  #malformed(what: string): Error {
    const { provider } = this.#errorInfo;
    return providerError(
      "malformed",
      `${provider} sent ${what}; check that its URL is that of an OpenAI API`,
      this.#errorInfo,
    );
  }
}
