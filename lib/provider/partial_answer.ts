import { ExaiError } from "../base/errors.ts";
import { textOf } from "../base/json.ts";
import { clipRedacted } from "../base/text.ts";

/** The part of a broken answer that is kept. */
const MAX_CHARS = 40_000;

/** Adds what there is of an answer to the details of the error that broke it off: it may have been paid for. */
export function withPartialAnswer(error: ExaiError, text: string): ExaiError {
  if (error.details?.fault === undefined || text.trim() === "") return error;
  const { code, message, cause, retryAfterMs, details } = error;
  const partial = { partial_answer: clipRedacted(text, MAX_CHARS) };
  return new ExaiError(code, message, { cause, retryAfterMs, details: { ...details, ...partial } });
}

/**
 * The field of a result for what there is of the answer that an error broke off; empty if there is nothing.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ExaiError } from "../base/errors.ts";
 * import { partialAnswerOf, withPartialAnswer } from "./partial_answer.ts";
 *
 * const cut = new ExaiError("OUTCOME_UNKNOWN", "it broke off", { details: { fault: "cut" } });
 * assertEquals(partialAnswerOf(withPartialAnswer(cut, "Half an")), { partial_answer: "Half an" });
 * ```
 */
export function partialAnswerOf({ details }: Pick<ExaiError, "details">): { partial_answer?: string } {
  const text = textOf(details?.partial_answer);
  return text === undefined ? {} : { partial_answer: text };
}
