import { isObject, type Json, type JsonObject, ownEntry, parseJson, textOf } from "../../base/json.ts";
import { AnswerReader } from "../api/answer_reader.ts";
import type { ToolCall } from "../provider.ts";

/** The turn goes on in the next request (https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons). */
const PAUSED = "pause_turn";

/** A block of the answer, as it is sent back, and the JSON of its input so far. */
interface OpenBlock {
  block: JsonObject;
  input: string;
}

/**
 * Assembles an answer from the events of a stream (https://platform.claude.com/docs/en/build-with-claude/streaming).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ClaudeReader } from "./claude_reader.ts";
 *
 * const answer = new ClaudeReader({ provider: "anthropic" });
 * answer.add({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } });
 * answer.add({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hello" } });
 * answer.add({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } });
 * answer.finish();
 * assertEquals([answer.text, answer.finishReason], ["Hello", "stop"]);
 * ```
 */
export class ClaudeReader extends AnswerReader {
  readonly #blocks = new Map<number, OpenBlock>();
  /** Sources that were found and not cited. */
  readonly #found: JsonObject[] = [];
  readonly #counts = new Map<string, number>();
  #paused = false;

  get toolCalls(): ToolCall[] {
    return this.#sorted().filter(({ block }) => block.type === "tool_use").map(({ block, input }) => ({
      id: textOf(block.id) ?? "",
      name: textOf(block.name) ?? "",
      arguments: input || JSON.stringify(block.input ?? {}),
    }));
  }

  /** A search and redacted thoughts are billed like any other. */
  protected override get hasHiddenOutput(): boolean {
    return this.#blocks.size > 0;
  }

  override get itemsToRepeat(): JsonObject[] | undefined {
    return this.finishReason === "tool_calls" ? this.#content() : undefined;
  }

  /** The provider's own tools may take so long that it answers in several turns. */
  override followUp(body: JsonObject): JsonObject | undefined {
    if (!this.#paused) return undefined;
    const turn = { role: "assistant", content: this.#content() };
    return { ...body, messages: [...body.messages as JsonObject[], turn] };
  }

  override continueFrom(earlier: AnswerReader): void {
    this.text = earlier.text + this.text;
    this.reasoning = [earlier.reasoning, this.reasoning].filter((text) => text !== "").join("\n\n");
    for (const { url, title } of earlier.citations) this.cite(url, title);
  }

  override finish(options?: { hasEnded?: boolean }): void {
    if (this.#paused) return;
    if (this.citations.length === 0) { for (const { url, title } of this.#found) this.cite(url, title); }
    super.finish(options);
  }

  protected override read(event: JsonObject): void {
    switch (event.type) {
      case "message_start":
        return this.#start(event.message);
      // A server without streaming answers with the whole message.
      case "message":
        return this.#readWhole(event);
      case "content_block_start":
        return this.#open(this.#freeIndex(event), event.content_block);
      case "content_block_delta":
        return this.#addDelta(event);
      case "message_delta":
        this.#addStop(event.delta);
        return this.#addUsage(event.usage);
      case "message_stop":
        this.isMarked = !this.#paused;
        return;
      case "error":
        throw this.failed(event);
    }
    // Events of types to come are skipped, as the versioning of the API asks.
  }

  #start(message: Json | undefined): void {
    if (!isObject(message)) return;
    this.model = textOf(message.model) ?? this.model;
    this.#addUsage(message.usage);
  }

  #readWhole(message: JsonObject): void {
    this.#start(message);
    const { content } = message;
    const blocks = typeof content === "string" ? [{ type: "text", text: content }] : content;
    (Array.isArray(blocks) ? blocks : []).forEach((block, index) => this.#open(index, block));
    this.#addStop(message);
  }

  #open(index: number, block: Json | undefined): void {
    if (!isObject(block)) return;
    this.#blocks.set(index, { block: { ...block }, input: "" });
    switch (block.type) {
      case "text":
        this.#addCitations(block.citations);
        this.text += textOf(block.text) ?? "";
        break;
      case "thinking":
        if (this.reasoning !== "") this.reasoning += "\n\n";
        this.reasoning += textOf(block.thinking) ?? "";
        break;
      case "web_search_tool_result":
        if (Array.isArray(block.content)) this.#found.push(...block.content.filter(isObject));
    }
  }

  #addDelta(event: JsonObject): void {
    const { delta } = event;
    if (!isObject(delta)) return;
    const open = this.#blockOf(event, textOf(delta.type) ?? "");
    if (open === undefined) return;
    const { block } = open;
    const append = (key: string, added: string) => block[key] = (textOf(block[key]) ?? "") + added;
    switch (delta.type) {
      case "text_delta":
        this.text += textOf(delta.text) ?? "";
        append("text", textOf(delta.text) ?? "");
        break;
      case "thinking_delta":
        this.reasoning += textOf(delta.thinking) ?? "";
        append("thinking", textOf(delta.thinking) ?? "");
        break;
      case "signature_delta":
        append("signature", textOf(delta.signature) ?? "");
        break;
      case "input_json_delta":
        open.input += textOf(delta.partial_json) ?? "";
        break;
      case "citations_delta":
        block.citations = [...Array.isArray(block.citations) ? block.citations : [], delta.citation ?? null];
        this.#addCitations([delta.citation ?? null]);
    }
  }

  /** The place of a block that begins: behind all others where its index is taken or not told. */
  #freeIndex({ index }: JsonObject): number {
    const isFree = typeof index === "number" && !this.#blocks.has(index);
    return isFree ? index : Math.max(-1, ...this.#blocks.keys()) + 1;
  }

  #blockOf(event: JsonObject, deltaType: string): OpenBlock | undefined {
    const last = Math.max(-1, ...this.#blocks.keys());
    const known = this.#blocks.get(typeof event.index === "number" ? event.index : last);
    const begun = ownEntry(BLOCK_OF, deltaType);
    if (begun === undefined || known?.block.type === begun.type) return known;
    const index = this.#freeIndex(event);
    this.#open(index, begun);
    return this.#blocks.get(index);
  }

  #addCitations(citations: Json | undefined): void {
    for (const one of Array.isArray(citations) ? citations : []) {
      if (isObject(one)) this.cite(one.url, one.title);
    }
  }

  #addStop(delta: Json | undefined): void {
    if (!isObject(delta) || typeof delta.stop_reason !== "string") return;
    this.#paused = delta.stop_reason === PAUSED;
    if (!this.#paused) this.endBy(delta.stop_reason);
    const { stop_details: details } = delta;
    if (isObject(details)) this.heldBackBy(textOf(details.category), textOf(details.explanation));
  }

  /** The counts are cumulative; what a later event leaves out stays. */
  #addUsage(usage: Json | undefined): void {
    if (!isObject(usage)) return;
    for (const [name, value] of Object.entries(usage)) {
      // Some gateways count once, and nothing in the other events.
      if (typeof value === "number") this.#counts.set(name, value || (this.#counts.get(name) ?? 0));
    }
    const details = usage.output_tokens_details;
    if (isObject(details) && typeof details.thinking_tokens === "number") {
      this.#counts.set("thinking_tokens", details.thinking_tokens);
    }
    const { input_tokens, output_tokens, cache_creation_input_tokens = 0, cache_read_input_tokens } = Object
      .fromEntries(this.#counts);
    if (input_tokens === undefined || output_tokens === undefined) return;
    this.usage = {
      inputTokens: input_tokens + cache_creation_input_tokens + (cache_read_input_tokens ?? 0),
      outputTokens: output_tokens,
      cachedTokens: cache_read_input_tokens,
      reasoningTokens: this.#counts.get("thinking_tokens"),
    };
  }

  #sorted(): OpenBlock[] {
    return [...this.#blocks.entries()].sort(([a], [b]) => a - b).map(([, open]) => open);
  }

  /** The blocks to be sent back; empty texts would be rejected. */
  #content(): JsonObject[] {
    return this.#sorted().map(({ block, input }) => input === "" ? block : { ...block, input: parse(input) })
      .filter(({ type, text }) => type !== "text" || text !== "");
  }
}

/** The block that a delta begins where a gateway has left out its start. */
const BLOCK_OF: Readonly<Record<string, JsonObject>> = {
  text_delta: { type: "text", text: "" },
  thinking_delta: { type: "thinking", thinking: "" },
};

function parse(input: string): Json {
  const value = parseJson(input);
  return value === undefined ? {} : value;
}
