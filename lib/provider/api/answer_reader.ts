import type { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import type { Citation, FinishReason, ToolCall, Usage } from "../provider.ts";
import { providerError, type ProviderErrorInfo } from "./provider_errors.ts";

/** The longest accepted answer including reasoning; no model writes as much. */
const MAX_ANSWER_CHARS = 8_000_000;

/** An answer that is being received. Each protocol reads its own events; what an answer means is decided here. */
export abstract class AnswerReader {
  text = "";
  reasoning = "";
  model: string | undefined;
  usage: Usage | undefined;
  /** What the provider says it charged, in US dollars. */
  chargedUsd: number | undefined;
  finishReason: FinishReason | undefined;
  readonly citations: Citation[] = [];
  protected readonly errorInfo: ProviderErrorInfo;

  constructor(errorInfo: ProviderErrorInfo) {
    this.errorInfo = errorInfo;
  }

  /** The functions the model calls, in order. */
  abstract get toolCalls(): ToolCall[];

  /**
   * Reads one event of the protocol.
   *
   * @throws {ExaiError} the provider error `malformed` or `cut`
   */
  protected abstract read(event: unknown): void;

  /** Characters received, including reasoning. */
  get chars(): number {
    return this.text.length + this.reasoning.length;
  }

  /** Whether there is any output: from then on the request has been billed. */
  get hasOutput(): boolean {
    return this.chars > 0 || this.toolCalls.length > 0;
  }

  /**
   * The body that continues `body` after this answer, if it only calls tools that the provider runs itself; undefined if
   * the answer is complete.
   */
  followUp(_body: JsonObject): JsonObject | undefined {
    return undefined;
  }

  /**
   * Adds one event.
   *
   * @throws {ExaiError} the provider error `malformed`, `too_large` or `cut`
   */
  add(event: unknown): void {
    this.read(event);
    if (this.chars <= MAX_ANSWER_CHARS) return;
    throw providerError(
      "too_large",
      `the answer of ${this.errorInfo.provider} grew past ${MAX_ANSWER_CHARS} characters and was stopped; ask for a ` +
        "shorter one",
      this.errorInfo,
    );
  }

  /** Adds a source, unless it is known already. */
  protected cite(url: unknown, title: unknown): void {
    if (typeof url !== "string" || url === "" || this.citations.some((known) => known.url === url)) return;
    this.citations.push({ url, title: typeof title === "string" ? title : undefined });
  }

  /**
   * Checks that the answer is complete and not empty.
   *
   * @throws {ExaiError} the provider error `cut` or `empty`
   */
  finish(): void {
    if (this.finishReason === undefined) throw this.truncated("the stream ended too soon");
    this.#extractThinkTag();
    if (this.text.trim() !== "" || this.toolCalls.length > 0) return;
    throw providerError(
      "empty",
      `${this.errorInfo.provider} said nothing: ${this.#whyEmpty()}`,
      this.errorInfo,
    );
  }

  /** The error for an answer that broke off because of `why`. */
  truncated(why: string): ExaiError {
    const { provider } = this.errorInfo;
    return providerError(
      "cut",
      `the answer of ${provider} broke off after ${this.chars} characters: ${why}. It may have been billed, so it was ` +
        "not asked again; repeat the call to ask anew",
      this.errorInfo,
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

  /** The error for an answer that violates the protocol. */
  protected malformed(what: string): ExaiError {
    const { provider } = this.errorInfo;
    return providerError(
      "malformed",
      `${provider} sent ${what}; check that its URL is that of an OpenAI API`,
      this.errorInfo,
    );
  }
}
