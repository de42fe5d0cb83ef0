import { isObject, type Json, type JsonObject, numberOf, textOf, valueAt } from "../../base/json.ts";
import { AnswerReader } from "../api/answer_reader.ts";
import { fromApiError } from "../api/provider_errors.ts";
import type { ToolCall, Usage } from "../provider.ts";
import { type OutputItem, OutputItems, textOfParts } from "./output_items.ts";
import { statusOfCode } from "./response_errors.ts";
import { isFinal, statusOf } from "./response_status.ts";

/**
 * Assembles an answer from the events of a stream (OpenAI, Responses streaming events), or from a whole response where a
 * server does not stream.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ResponseReader } from "./response_reader.ts";
 *
 * const answer = new ResponseReader({ provider: "acme" });
 * answer.add({ type: "response.output_text.delta", output_index: 0, delta: "Hello" });
 * answer.add({ type: "response.completed", response: { status: "completed", output: [] } });
 * answer.finish();
 * assertEquals([answer.text, answer.finishReason], ["Hello", "stop"]);
 * ```
 */
export class ResponseReader extends AnswerReader {
  readonly #items = new OutputItems();

  get toolCalls(): ToolCall[] {
    return this.#items.ofType("function_call").map(({ item, text }) => ({
      id: textOf(item.call_id) || textOf(item.id) || "",
      name: textOf(item.name) ?? "",
      arguments: text,
    }));
  }

  /** Reasoning that comes encrypted has no characters, and is billed like any other. */
  protected override get hasHiddenOutput(): boolean {
    return this.#items.size > 0;
  }

  override get itemsToRepeat(): readonly JsonObject[] | undefined {
    return this.toolCalls.length === 0 ? undefined : this.#items.asInput();
  }

  protected override read(event: JsonObject): void {
    // A server that does not stream sends the whole response.
    if (event.object === "response" || (event.type === undefined && Array.isArray(event.output))) {
      return this.#update(event, textOf(event.status));
    }
    const delta = textOf(event.delta) ?? "";
    switch (event.type) {
      case "response.output_item.added":
        return this.#addItem(event);
      case "response.output_item.done":
        return this.#completeItem(event);
      case "response.output_text.delta":
        return this.#addText(this.#items.at(event, "message"), delta);
      // What a server sends in place of the deltas.
      case "response.output_text.done":
        return this.#addWhole(event, textOf(event.text) ?? "");
      case "response.content_part.done":
        return this.#addWhole(event, textOfParts([event.part].filter(isObject)));
      case "response.function_call_arguments.done":
        this.#items.at(event, "function_call").text ||= textOf(event.arguments) ?? "";
        return;
      case "response.refusal.delta":
        return this.#addRefusal(this.#items.at(event, "message"), delta);
      case "response.function_call_arguments.delta":
        this.#items.at(event, "function_call").text += delta;
        return;
      case "response.reasoning_summary_part.added":
        return this.#breakReasoning();
      case "response.reasoning_summary_text.delta":
      case "response.reasoning_text.delta":
        this.reasoning += delta;
        return;
      case "response.output_text.annotation.added":
        return this.#addAnnotation(event.annotation);
      case "error":
        throw this.#responseFailed(isObject(event.error) ? event.error : event);
      default:
        // Every event on the state of the response has it whole; the others, such as keepalive, say nothing new.
        if (isObject(event.response)) this.#update(event.response, statusOf(event, event.response));
        else if (isFinal(statusOf(event, {}))) this.isMarked = true;
    }
  }

  #update(response: JsonObject, status: string | undefined): void {
    if (isFinal(status)) this.#end(response, status);
    else this.model = textOf(response.model) ?? this.model;
  }

  /** Reads the response in its final state. */
  #end(response: JsonObject, status: string | undefined): void {
    this.model = textOf(response.model) ?? this.model;
    this.usage = usageOf(response.usage) ?? this.usage;
    const output = Array.isArray(response.output) ? response.output : [];
    output.forEach((item, index) => this.#completeItem({ item, output_index: index }));
    for (const url of Array.isArray(response.citations) ? response.citations : []) this.cite(url, undefined);
    if (output.length === 0 && !this.hasOutput) this.text = textOf(response.output_text) ?? "";
    if (status === "failed") {
      throw this.#responseFailed(isObject(response.error) ? response.error : {});
    }
    if (status === "cancelled") throw this.truncated("the response was cancelled");
    this.#promoteCommentary();
    if (status === "incomplete") {
      const { reason } = isObject(response.incomplete_details) ? response.incomplete_details : {};
      this.endBy(textOf(reason) || "length");
    } else this.endBy("stop");
  }

  #addItem(event: JsonObject): void {
    if (!isObject(event.item)) return;
    this.#items.add(event, event.item);
    if (event.item.type === "reasoning") this.#breakReasoning();
  }

  /** Takes over an item as it is in the end. What its deltas brought is known already. */
  #completeItem(event: JsonObject): void {
    const { item } = event;
    if (!isObject(item)) return;
    const kept = this.#items.complete(event, item);
    if (item.type === "message") this.#completeMessage(kept, item);
    if (item.type === "reasoning") this.#completeReasoning(item);
    if (item.type === "web_search_call") this.#addSources(item.action);
  }

  #completeMessage(kept: OutputItem, { content }: JsonObject): void {
    const parts: JsonObject[] = Array.isArray(content)
      ? content.filter(isObject)
      : [{ text: content ?? null }];
    if (kept.text === "") {
      const isRefusal = ({ type }: JsonObject) => type === "refusal";
      this.#addText(kept, textOfParts(parts.filter((part) => !isRefusal(part))));
      this.#addRefusal(kept, textOfParts(parts.filter(isRefusal)));
    }
    for (const { annotations } of parts) {
      if (Array.isArray(annotations)) annotations.forEach((one) => this.#addAnnotation(one));
    }
  }

  #completeReasoning({ summary, content }: JsonObject): void {
    if (this.reasoning !== "") return;
    const parts = [summary, content].flatMap((part) => Array.isArray(part) ? part : []).filter(isObject);
    this.reasoning = parts.map(({ text }) => textOf(text) ?? "").join("\n\n");
  }

  /** Adds to a message. What a model says on its way to the answer counts as reasoning. */
  #addText(message: OutputItem, delta: string): void {
    if (delta === "") return;
    const isFirst = message.text === "";
    message.text += delta;
    if (message.item.phase === "commentary") {
      if (isFirst) this.#breakReasoning();
      this.reasoning += delta;
    } else {
      if (isFirst && this.text !== "") this.text += "\n\n";
      this.text += delta;
    }
  }

  #addWhole(event: JsonObject, text: string): void {
    const message = this.#items.at(event, "message");
    if (message.text === "") this.#addText(message, text);
  }

  #addRefusal(message: OutputItem, delta: string): void {
    message.text += delta;
    this.refusal += delta;
  }

  /** An answer of nothing but commentary is the answer. */
  #promoteCommentary(): void {
    if (this.text !== "" || this.refusal !== "" || this.toolCalls.length > 0) return;
    this.text = this.#items.ofType("message").map(({ text }) => text).filter((text) => text !== "").join(
      "\n\n",
    );
  }

  #breakReasoning(): void {
    if (this.reasoning !== "" && !this.reasoning.endsWith("\n\n")) this.reasoning += "\n\n";
  }

  #addAnnotation(annotation: Json | undefined): void {
    if (isObject(annotation) && annotation.type === "url_citation") {
      this.cite(annotation.url, annotation.title);
    }
  }

  #addSources(action: Json | undefined): void {
    const sources = isObject(action) && Array.isArray(action.sources) ? action.sources : [];
    for (const source of sources) if (isObject(source)) this.cite(source.url, source.title);
  }

  #responseFailed(error: JsonObject): Error {
    const code = textOf(error.code) ?? textOf(error.type) ?? "";
    const message = textOf(error.message) ?? (code || "the response failed without a reason");
    const { hasOutput, isWhole } = this;
    return fromApiError({ status: statusOfCode(code), error, message }, this.errorInfo, {
      hasOutput,
      isWhole,
    });
  }
}

function usageOf(usage: Json | undefined): Usage | undefined {
  if (!isObject(usage)) return undefined;
  const count = (...path: string[]) => numberOf(valueAt(usage, path));
  const inputTokens = count("input_tokens");
  const outputTokens = count("output_tokens");
  if (inputTokens === undefined || outputTokens === undefined) return undefined;
  return {
    inputTokens,
    outputTokens,
    cachedTokens: count("input_tokens_details", "cached_tokens"),
    reasoningTokens: count("output_tokens_details", "reasoning_tokens"),
  };
}
