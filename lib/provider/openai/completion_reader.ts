import { isObject, type Json, type JsonObject, numberOf, valueAt } from "../../base/json.ts";
import { AnswerReader } from "../api/answer_reader.ts";
import type { ProviderErrorInfo } from "../api/provider_errors.ts";
import { StreamedText } from "../api/streamed_text.ts";
import type { Dialect } from "../dialect/dialect.ts";
import type { ToolCall } from "../provider.ts";
import { flatText, readContent } from "./content_parts.ts";
import { ToolCallParts } from "./tool_call_parts.ts";

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
  readonly #calls = new ToolCallParts();
  readonly #text = new StreamedText();
  readonly #thoughts = new StreamedText();
  #hasHiddenThoughts = false;

  constructor(errorInfo: ProviderErrorInfo, dialect: Pick<Dialect, "answerBuiltin" | "chargedUsd">) {
    super(errorInfo);
    this.#dialect = dialect;
  }

  get toolCalls(): ToolCall[] {
    return this.#calls.all.map(({ id, name, arguments: args }) => ({ id, name, arguments: args }));
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
      tool_calls: this.#calls.all.map(({ id, type, name, arguments: args }) => ({
        id,
        type,
        function: { name, arguments: args },
      })),
    };
  }

  protected override read(chunk: JsonObject): void {
    if (typeof chunk.model === "string" && chunk.model !== "") this.model = chunk.model;
    const choice = firstChoice(chunk.choices);
    // Without stream_options Kimi reports the usage only within the choice.
    this.#addUsage(chunk.usage ?? (isObject(choice) ? choice.usage : undefined));
    this.#addCitations(chunk.web_search, "link");
    this.#addCitations(chunk.search_results, "url");
    // Perplexity and xAI.
    if (Array.isArray(chunk.citations)) { for (const url of chunk.citations) this.cite(url, undefined); }
    if (!isObject(choice)) {
      this.#rejectErrors(chunk);
      // The usage alone comes last: a gateway that leaves out the reason and the end mark still counts at the end.
      if (isObject(chunk.usage)) this.isMarked = this.hasOutput;
      return;
    }
    if (choice.error) throw this.failed(isObject(choice.error) ? choice.error : choice);
    const { delta, message } = choice;
    const before = this.chars;
    if (isObject(delta)) this.#addDelta(delta);
    // A server without streaming answers with the whole message; some send it at the end of a stream.
    if (isObject(message) && this.chars === before) this.#addMessage(message);
    else if (!isObject(delta)) this.#addDelta({ content: choice.text });
    // Some servers call it as Anthropic does, or write it into the delta.
    const inner = isObject(delta) ? delta : {};
    const reason = choice.finish_reason ?? choice.stop_reason ?? inner.finish_reason;
    if (typeof reason === "string") this.endBy(reason);
  }

  /** Servers report errors in place of choices, in various shapes; other events without choices are keep-alives. */
  #rejectErrors(event: JsonObject): void {
    if (Array.isArray(event.choices) || event.usage !== undefined) return;
    const { base_resp: minimax } = event;
    if (isObject(minimax) && minimax.status_code !== 0) throw this.failed(event);
    const isError = event.type === "error" || ERROR_FIELDS.some((field) => saysSomething(event[field]));
    if (isError) throw this.failed(event);
  }

  protected override get hasHiddenOutput(): boolean {
    return this.#hasHiddenThoughts || (this.usage?.outputTokens ?? 0) > 0;
  }

  #addDelta(delta: JsonObject): void {
    // Encrypted ones have no text.
    if (Array.isArray(delta.reasoning_details)) {
      this.#hasHiddenThoughts ||= delta.reasoning_details.length > 0;
    }
    const { text, reasoning, refusal } = readContent(delta.content ?? delta.text);
    this.#text.add(text);
    this.#thoughts.add(reasoning || thoughtsOf(delta));
    this.refusal += refusal + flatText(delta.refusal);
    this.#addRest(delta);
  }

  #addMessage(message: JsonObject): void {
    const { text, reasoning, refusal } = readContent(message.content);
    this.#text.replace(text);
    this.#thoughts.replace(reasoning || thoughtsOf(message));
    this.refusal = refusal + flatText(message.refusal) || this.refusal;
    this.#addRest(message);
  }

  #addRest(delta: JsonObject): void {
    this.text = this.#text.value;
    this.reasoning = this.#thoughts.value;
    if (Array.isArray(delta.tool_calls)) this.#calls.add(delta.tool_calls);
    // The form before tool_calls, which knows one call.
    if (isObject(delta.function_call)) this.#calls.add([{ index: 0, function: delta.function_call }]);
    if (this.#calls.count > MAX_TOOL_CALLS) throw this.malformed(`more than ${MAX_TOOL_CALLS} tool calls`);
    const cited = Array.isArray(delta.annotations) ? delta.annotations : [];
    this.#addCitations(cited.map((one) => isObject(one) ? one.url_citation ?? one : one), "url");
  }

  #addUsage(usage: Json | undefined): void {
    if (!isObject(usage)) return;
    this.chargedUsd = this.#dialect.chargedUsd?.(usage);
    const count = (...path: string[]) => numberOf(valueAt(usage, path));
    const inputTokens = count("prompt_tokens") ?? count("input_tokens");
    const outputTokens = count("completion_tokens") ?? count("output_tokens");
    if (inputTokens === undefined || outputTokens === undefined) return;
    this.usage = {
      inputTokens,
      outputTokens,
      cachedTokens: count("prompt_tokens_details", "cached_tokens") ?? count("cached_tokens"),
      reasoningTokens: count("completion_tokens_details", "reasoning_tokens"),
    };
  }

  #addCitations(found: Json | undefined, urlField: string): void {
    for (const one of Array.isArray(found) ? found : []) {
      if (isObject(one)) this.cite(one[urlField], one.title);
    }
  }
}

/** A model that makes more calls at once is looping. */
const MAX_TOOL_CALLS = 1000;

/** The fields by which an event without choices is an error. */
const ERROR_FIELDS = ["error", "message", "detail", "error_msg", "error_message", "msg"];

/** The choice that is asked for; a gateway may send the list as an object, or others before it. */
function firstChoice(choices: Json | undefined): Json | undefined {
  const all = Array.isArray(choices) ? choices : isObject(choices) ? Object.values(choices) : [];
  const [first] = all;
  return all.length > 1 ? all.find((one) => isObject(one) && one.index === 0) ?? first : first;
}

function saysSomething(value: Json | undefined): boolean {
  return value !== undefined && value !== null && value !== "" && value !== false;
}

/** Kimi, Z.AI and DeepSeek use reasoning_content; OpenRouter, Ollama and newer vLLM reasoning. */
function thoughtsOf(delta: JsonObject): string {
  const fields = [delta.reasoning_content, delta.reasoning, delta.thinking, delta.reasoning_details];
  return fields.map(flatText).find((text) => text !== "") ?? "";
}
