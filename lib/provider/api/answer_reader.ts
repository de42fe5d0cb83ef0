import type { ExaiError } from "../../base/errors.ts";
import { isObject, type JsonObject, parseJson } from "../../base/json.ts";
import { quoteName, trimEndOf } from "../../base/text.ts";
import type { Citation, FinishReason, ToolCall, Usage } from "../provider.ts";
import { meaningOf } from "./finish_reasons.ts";
import { fromApiError, providerError, type ProviderErrorInfo } from "./provider_errors.ts";
import { wrongPathAdvice } from "./provider_site.ts";
import { splitThoughts } from "./thought_tags.ts";

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
  /** What is unusual about the answer, each in a sentence without a full stop. */
  readonly warnings: string[] = [];
  /** Whether the provider sent one document in place of a stream, so that an error in it is all there is. */
  isWhole = false;
  /** Whether the provider has marked the end of the answer without a reason, and nothing has come after it. */
  protected isMarked = false;
  /** What the model said in refusing to answer, where the API has a field for that. */
  protected refusal = "";
  /** What a filter calls what it found, as the provider puts it. */
  #heldBackBy = "";
  protected readonly errorInfo: ProviderErrorInfo;

  /** A reason for the end that is not known. */
  #unknownReason: string | undefined;
  #endedAtChars: number | undefined;
  #isAtEnd = false;

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
  protected abstract read(event: JsonObject): void;

  /** What a follow-up has to repeat unchanged beside the text; undefined if nothing. */
  get itemsToRepeat(): readonly JsonObject[] | undefined {
    return undefined;
  }

  /** Characters received, including reasoning. */
  get chars(): number {
    return this.text.length + this.reasoning.length + this.refusal.length;
  }

  /** Whether a reason for the end came, and nothing after it: some servers give one with every part. */
  get hasEnded(): boolean {
    return this.#endedAtChars === this.chars;
  }

  /** Whether the last event ended the answer without adding to it. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /** Whether there is any output: from then on the request has been billed. */
  get hasOutput(): boolean {
    return this.chars > 0 || this.hasHiddenOutput || this.toolCalls.length > 0;
  }

  /** Whether there is output without text, such as encrypted thoughts or a search. */
  protected get hasHiddenOutput(): boolean {
    return false;
  }

  /**
   * The body that continues `body` after this answer, if it only calls tools that the provider runs itself; undefined if
   * the answer is complete.
   */
  followUp(_body: JsonObject): JsonObject | undefined {
    return undefined;
  }

  /** Called with the answer that this one follows, which may be its beginning. */
  continueFrom(_earlier: AnswerReader): void {}

  /**
   * Adds one event.
   *
   * @throws {ExaiError} the provider error `malformed`, `too_large` or `cut`
   */
  add(event: unknown): void {
    if (!isObject(event)) throw this.malformed("an event that is no object");
    const before = this.chars;
    const isMarked = this.isMarked;
    this.isMarked = false;
    this.read(event);
    if (this.chars === before) this.isMarked ||= isMarked;
    if (this.finishReason !== undefined) this.#endedAtChars ??= this.chars;
    // Some servers give a reason with the first event already.
    this.#isAtEnd = this.hasEnded && this.chars === before && this.hasOutput;
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
   * Takes the reason for which the answer ends. One that says nothing is none.
   *
   * @throws {ExaiError} the provider error `cut` if the reason says that the answer is not complete
   */
  protected endBy(reason: string): void {
    const meaning = meaningOf(reason);
    if (meaning === "none") return;
    if (meaning === "broken") throw this.truncated(`it ended with ${quoteName(reason)}`);
    this.#unknownReason = meaning === undefined ? reason : undefined;
    this.finishReason = meaning ?? "stop";
  }

  /** Takes what a filter that ended the answer says: its category, and why. */
  protected heldBackBy(category: string | undefined, message?: string): void {
    if (this.finishReason !== "content_filter") return;
    this.#heldBackBy = [category, message].filter((text) => text !== undefined && text !== "").join(": ");
  }

  /**
   * Checks that the answer is complete and not empty, and puts each part of it where it belongs.
   *
   * @param options.hasEnded whether the provider marked the end of the stream, which it may do without a reason
   * @throws {ExaiError} the provider error `cut` or `empty`
   */
  finish({ hasEnded = false } = {}): void {
    if (this.finishReason === undefined && !hasEnded && !this.isMarked) {
      throw this.truncated("the stream ended too soon");
    }
    const broken = this.toolCalls.find((call) => parseJson(call.arguments || "{}") === undefined);
    // Some servers give a reason with every part, so that it says nothing of the end.
    if (broken !== undefined && !hasEnded && !this.isMarked && this.finishReason === "tool_calls") {
      throw this.truncated(`the arguments of ${quoteName(broken.name)} do not end`);
    }
    if (broken !== undefined) {
      this.warnings.push(`the arguments of ${quoteName(broken.name)}, which ${this.#who} calls, are no JSON`);
    }
    const { thoughts, text } = splitThoughts(this.text);
    this.text = text;
    if (thoughts !== "") this.reasoning += (this.reasoning === "" ? "" : "\n\n") + thoughts;
    this.#takeRefusal();
    this.#takeThoughts();
    if (this.text.trim() === "" && this.toolCalls.length === 0) {
      const why = `${this.errorInfo.provider} said nothing: ${this.#whyEmpty()}`;
      throw providerError("empty", why, this.errorInfo);
    }
    this.#settleReason();
  }

  #takeRefusal(): void {
    if (this.refusal.trim() === "") return;
    this.text = this.text.trim() === "" ? this.refusal : `${this.text}\n\n${this.refusal}`;
    this.finishReason = "content_filter";
    this.warnings.push(`${this.#who} refused to answer; what it said is its reason`);
  }

  /** Some servers take an answer for thoughts. Thoughts that were cut off are no answer. */
  #takeThoughts(): void {
    const isAnswer = this.finishReason === undefined || this.finishReason === "stop";
    if (!isAnswer || this.text.trim() !== "" || this.toolCalls.length > 0) return;
    const { thoughts, text } = splitThoughts(this.reasoning);
    const hasBoth = thoughts !== "" && text.trim() !== "";
    this.text = hasBoth ? text : text.trim() || thoughts;
    this.reasoning = hasBoth ? thoughts : "";
    if (this.text === "" || hasBoth) return;
    this.warnings.push(`${this.#who} gave its whole answer as thoughts, and they are shown in its place`);
  }

  #settleReason(): void {
    const calls = this.toolCalls.length > 0;
    if (this.#unknownReason !== undefined) {
      this.warnings.push(
        `the answer ended with ${
          quoteName(this.#unknownReason)
        }, which EXAI does not know; it may be incomplete`,
      );
    }
    if (this.finishReason === undefined) {
      this.warnings.push(
        `${this.errorInfo.provider} gave no reason for the end of the answer; it may be incomplete`,
      );
    } else if (this.finishReason === "length") {
      this.warnings.push(`the answer of ${this.#who} was cut at its longest; ask for the rest, or for less`);
    } else if (this.finishReason === "content_filter" && this.refusal === "") {
      this.warnings.push(
        `a filter of ${this.errorInfo.provider} stopped the answer${this.#why}; what there is of it is shown`,
      );
    }
    if (this.finishReason === "length" || this.finishReason === "content_filter") return;
    this.finishReason = calls ? "tool_calls" : "stop";
  }

  get #why(): string {
    return this.#heldBackBy === "" ? "" : ` (${this.#heldBackBy})`;
  }

  get #who(): string {
    return this.errorInfo.model ?? this.errorInfo.provider;
  }

  /** The error for an answer that broke off because of `why`. */
  truncated(why: string): ExaiError {
    const { provider } = this.errorInfo;
    return providerError(
      "cut",
      `the answer of ${provider} broke off after ${this.chars} characters: ${
        trimEndOf(why, ".")
      }. It may have been billed, so it was ` +
        "not asked again; repeat the call to ask anew",
      this.errorInfo,
    );
  }

  #whyEmpty(): string {
    switch (this.finishReason) {
      case "length":
        return "all it may write went into thinking; ask for less, or set a lower thinking_mode";
      case "content_filter":
        return `its filter held the answer back${this.#why}; put the question differently, or name another model`;
      default:
        return "try again, put the question differently, or name another model. A local server says nothing when the " +
          "question is longer than the window it has loaded the model with";
    }
  }

  /** The error for an error that came in place of an event, in any shape. */
  protected failed(error: JsonObject): ExaiError {
    const { hasOutput, isWhole } = this;
    return fromApiError({ error, message: "" }, this.errorInfo, { hasOutput, isWhole });
  }

  /** The error for an answer that violates the protocol. */
  protected malformed(what: string): ExaiError {
    const { provider } = this.errorInfo;
    if (this.hasOutput) return this.truncated(`it sent ${what}`);
    return providerError(
      "malformed",
      `${provider} sent ${what}${wrongPathAdvice(this.errorInfo.site)}`,
      this.errorInfo,
    );
  }
}
