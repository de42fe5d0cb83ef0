import { ExaiError } from "../../base/errors.ts";
import type { ModelInfo } from "../../provider/provider.ts";

/** The largest share of the context window reserved for the answer. */
const MAX_ANSWER_SHARE = 0.25;

/**
 * The share of the context window reserved for errors of the token estimate, which uses one vocabulary for all models.
 */
const MARGIN_SHARE = 0.05;

/** Returns the tokens left for the thread and for files in the context window of `model`. */
export function freeTokens(
  { name, contextTokens, maxOutputTokens }: ModelInfo,
  baseTokens: number,
  tool: string,
): number {
  const answerTokens = Math.min(maxOutputTokens, Math.floor(contextTokens * MAX_ANSWER_SHARE));
  const takesTokens = contextTokens - answerTokens - Math.ceil(contextTokens * MARGIN_SHARE);
  if (baseTokens <= takesTokens) return takesTokens - baseTokens;
  throw new ExaiError(
    "TOO_LARGE",
    `this ${tool} call has about ${baseTokens} tokens without its thread and files, and ${name} takes ` +
      `${takesTokens}; name a model with a larger window (listmodels shows them), or say it in fewer words`,
  );
}
