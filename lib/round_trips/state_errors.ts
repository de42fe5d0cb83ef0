import { ExaiError } from "../base/errors.ts";

/** What a client can do that has no use for a state any more. */
const ANEW = "send the request without requestState and inputResponses";

/** The error for a state that is not taken. Nothing was done for it, so its client may begin anew. */
export function refused(why: string): ExaiError {
  return new ExaiError("INVALID_PARAMS", `this requestState ${why}; to begin anew, ${ANEW}`);
}

/** The error for a state that comes with other answers than before. */
export function answeredOtherwise(): ExaiError {
  return new ExaiError(
    "INVALID_PARAMS",
    "this requestState was answered before, with other inputResponses, and the request went on with those: send the " +
      `same ones for its result. It cannot be answered twice; to do it once more, ${ANEW}`,
  );
}

/** The error for the state of a question that was followed by another one. */
export function answeredLate(): ExaiError {
  return new ExaiError(
    "INVALID_PARAMS",
    "this requestState is of an earlier question, and the call has asked another one since: answer that one, with the " +
      "requestState that came with it",
  );
}

/** The error for a request that is not made, since it may have been done. */
export function outcomeUnknown(why: string): ExaiError {
  return new ExaiError(
    "OUTCOME_UNKNOWN",
    `${why}: it may have been done, in part or whole, and is not done again. Look first; to do it once more, ${ANEW}`,
  );
}
