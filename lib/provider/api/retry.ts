import { delay } from "@std/async/delay";
import { abortError } from "../../base/abort.ts";
import type { ExaiError } from "../../base/errors.ts";
import { monotonicNow } from "../../base/time.ts";
import { SECOND_MS } from "../../base/units.ts";
import { faultKindOf } from "./provider_errors.ts";

export interface RetryPolicy {
  /** Attempts in total, including the first. */
  maxAttempts: number;
  /** The delay before the second attempt, in milliseconds; doubled for each further one, with jitter. */
  initialDelayMs: number;
  /** The longest delay, in milliseconds; a longer `Retry-After` fails the request instead. */
  maxDelayMs: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  maxAttempts: 3,
  initialDelayMs: 500,
  maxDelayMs: 20 * SECOND_MS,
};

/** Bounds on the delays of one call. */
export interface WaitOptions {
  signal: AbortSignal;
  /** When the caller times out, in milliseconds since 1970. */
  deadlineMs?: number;
}

/**
 * Returns the delay before the next attempt, in milliseconds; undefined for no retry. Only requests that cannot have
 * been billed are retried: after a rate limit, a server error or a failed connection.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { providerError } from "./provider_errors.ts";
 * import { DEFAULT_RETRY_POLICY, retryDelay } from "./retry.ts";
 *
 * const outage = providerError("outage", "acme answered 503", { provider: "acme" });
 * assert(retryDelay(1, outage, DEFAULT_RETRY_POLICY) !== undefined);
 * assert(retryDelay(3, outage, DEFAULT_RETRY_POLICY) === undefined);
 * ```
 */
export function retryDelay(attempt: number, error: ExaiError, policy: RetryPolicy): number | undefined {
  const fault = faultKindOf(error);
  if ((fault !== "rate_limit" && fault !== "outage") || attempt >= policy.maxAttempts) return undefined;
  const { retryAfterMs } = error;
  // The jitter keeps calls that failed together from retrying together.
  const delayMs = retryAfterMs === undefined
    ? policy.initialDelayMs * 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
    : retryAfterMs * (1 + Math.random() / 10);
  return delayMs > policy.maxDelayMs ? undefined : delayMs;
}

/** Whether a wait of `waitMs` ends before the caller times out. */
export function fitsDeadline(waitMs: number, { deadlineMs }: WaitOptions): boolean {
  return deadlineMs === undefined || monotonicNow() + waitMs < deadlineMs;
}

/**
 * Waits for `waitMs` milliseconds.
 *
 * @throws {ExaiError} the abort reason of `signal`
 */
export async function sleep(waitMs: number, { signal }: WaitOptions): Promise<void> {
  try {
    await delay(waitMs, { signal });
  } catch {
    throw abortError(signal);
  }
}
