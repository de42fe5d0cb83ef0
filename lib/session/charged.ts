import { ExaiError } from "../base/errors.ts";
import { KIB, SECOND_MS } from "../base/units.ts";
import { toRpcError } from "../wire/codes.ts";
import type { Result } from "../wire/rpc.ts";
import type { Session } from "./session.ts";

/** Requests smaller than this are not charged to the byte budget. */
export const MIN_CHARGED_BYTES = 4 * KIB;

/** The error of a request that the byte budget of all calls has no room for. */
export function callBudgetExceeded(): ExaiError {
  return new ExaiError(
    "OVER_CAPACITY",
    "the calls that wait and run carry more than the daemon may hold (half of EXAI_MAX_HELD_BYTES); try again soon",
    { retryAfterMs: SECOND_MS },
  );
}

/**
 * Runs a request of `session` with its size charged to the byte budget of all calls.
 *
 * @returns what `run` does; an error `OVER_CAPACITY` where there is no room for it
 */
export async function charged(
  session: Session,
  bytes: number,
  run: () => Promise<Result> | Result,
): Promise<Result> {
  const { budget } = session;
  // The code is the same in both eras.
  if (!budget.tryTakeCall(bytes, session)) return { error: toRpcError(callBudgetExceeded()) };
  try {
    return await run();
  } finally {
    budget.giveBackCall(bytes, session);
  }
}
