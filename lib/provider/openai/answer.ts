import { isObject, type Json, type JsonObject, ownEntry } from "../../base/json.ts";
import type { Citation, FinishReason, ToolCall, Usage } from "../provider.ts";
import { type FaultFacts, providerFault } from "./faults.ts";

/** Longest answer taken, thoughts included; no model writes as much. */
const MAX_ANSWER_CHARS = 8_000_000;

/** The names providers have for what ends an answer. Z.AI adds the last three. */
const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
  content_filter: "content_filter",
  sensitive: "content_filter",
  model_context_window_exceeded: "length",
};

/** Ends that are none: the answer broke off. Z.AI and OpenRouter have such. */
const BROKEN_OFF: readonly string[] = ["network_error", "error"];

/** An answer as it comes together from the events of a stream (OpenAI, chat completion chunk object). */
export class CompletionReader {
  text = "";
  reasoning = "";
  model: string | undefined;
  usage: Usage | undefined;
  finishReason: FinishReason | undefined;
  readonly citations: Citation[] = [];
  readonly #facts: FaultFacts;
  readonly #calls = new Map<number, ToolCall & { type: string }>();

  constructor(facts: FaultFacts) {
    this.#facts = facts;
  }

  /** Characters so far, thoughts included. */
  get chars(): number {
    return this.text.length + this.reasoning.length;
  }

  /** Whether the model has run: from here on it has cost something. */
  get hasOutput(): boolean {
    return this.chars > 0 || this.#calls.size > 0;
  }

  get toolCalls(): ToolCall[] {
    return this.#sortedCalls().map(({ id, name, arguments: args }) => ({ id, name, arguments: args }));
  }

  /** The answer as it stands in the messages of a further question, with its calls as they came. */
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
   * Takes one event.
   *
   * @throws {ExaiError} the fault that the event stands for
   */
  add(chunk: unknown): void {
    if (!isObject(chunk)) throw this.#malformed("an event that is no object");
    if (typeof chunk.model === "string") this.model = chunk.model;
    const choice = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
    // Kimi has the usage within the choice as well, and there alone unless asked for it.
    this.#addUsage(chunk.usage ?? (isObject(choice) ? choice.usage : undefined));
    this.#addCitations(chunk.web_search, "link");
    if (!isObject(choice)) return;
    // A server that knows no streams answers with the whole message.
    this.#addDelta(isObject(choice.delta) ? choice.delta : isObject(choice.message) ? choice.message : {});
    this.#addFinish(choice.finish_reason);
    if (this.chars > MAX_ANSWER_CHARS) {
      throw providerFault(
        "too_large",
        `the answer of ${this.#facts.provider} grew past ${MAX_ANSWER_CHARS} characters and was stopped; ask for a ` +
          "shorter one",
        this.#facts,
      );
    }
  }

  #addDelta(delta: JsonObject): void {
    if (typeof delta.content === "string") this.text += delta.content;
    // Kimi, Z.AI and DeepSeek say reasoning_content; OpenRouter, Ollama and newer vLLM reasoning.
    const thought = delta.reasoning_content ?? delta.reasoning;
    if (typeof thought === "string") this.reasoning += thought;
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
    if (BROKEN_OFF.includes(reason)) throw this.brokenOff(`it said ${reason}`);
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
   * Checks that the answer is whole and says something.
   *
   * @throws {ExaiError} `cut`, `empty`
   */
  finish(): void {
    if (this.finishReason === undefined) throw this.brokenOff("the stream ended too soon");
    this.#splitThoughts();
    if (this.text.trim() !== "" || this.#calls.size > 0) return;
    throw providerFault("empty", `${this.#facts.provider} said nothing: ${this.#whyEmpty()}`, this.#facts);
  }

  brokenOff(why: string): Error {
    const { provider } = this.#facts;
    return providerFault(
      "cut",
      `the answer of ${provider} broke off after ${this.chars} characters: ${why}. It may have been billed, so it was ` +
        "not asked again; repeat the call to ask anew",
      this.#facts,
    );
  }

  /** Local models put their thoughts at the head of the text when nobody told their server to part them. */
  #splitThoughts(): void {
    const thoughts = /^\s*<think>([\s\S]*?)<\/think>\s*/.exec(this.text);
    if (thoughts === null) return;
    this.reasoning += thoughts[1]!.trim();
    this.text = this.text.slice(thoughts[0].length);
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
    const { provider } = this.#facts;
    return providerFault(
      "malformed",
      `${provider} sent ${what}; check that its URL is that of an OpenAI API`,
      this.#facts,
    );
  }
}
