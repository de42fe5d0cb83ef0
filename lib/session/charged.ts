import { ExaiError } from "../base/errors.ts";
import { KIB, SECOND_MS } from "../base/units.ts";
import type { HeldRequest } from "../round_trips/request.ts";
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

/** Keeps the charge for a request beyond its answer, until the result is disposed. */
export type HoldCharge = () => HeldRequest;

/**
 * Runs a request of `session` with its size charged to the byte budget of all calls.
 *
 * @param run gets what keeps the charge while a call of the request waits for the next one
 * @returns what `run` does; an error `OVER_CAPACITY` where there is no room for it
 */
export async function charged(
  session: Session,
  bytes: number,
  run: (hold: HoldCharge) => Promise<Result> | Result,
): Promise<Result> {
  const { budget } = session;
  // The code is the same in both eras.
  if (!budget.tryTakeCall(bytes, session)) return { error: toRpcError(callBudgetExceeded()) };
  let holders = 0;
  const hold: HoldCharge = () => {
    holders++;
    const release = () => {
      if (--holders === 0) budget.giveBackCall(bytes, session);
    };
    return { bytes, [Symbol.dispose]: release };
  };
  using _request = hold();
  return await run(hold);
}
