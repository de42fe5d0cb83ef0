import { delay } from "@std/async/delay";
import { abortError } from "../../base/abort.ts";
import { ExaiError } from "../../base/errors.ts";
import { monotonicNow } from "../../base/monotonic.ts";
import { SECOND_MS } from "../../base/units.ts";
import { faultKindOf } from "./provider_errors.ts";

export interface RetryPolicy {
  /** How often one request is sent at most. */
  maxAttempts: number;
  /** What the first wait is about, in milliseconds; each further one is twice as long. */
  initialDelayMs: number;
  /** Longest wait that is worth it; a provider that asks for more is given up. */
  maxDelayMs: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  maxAttempts: 3,
  initialDelayMs: 500,
  maxDelayMs: 20 * SECOND_MS,
};

/** What bounds the waits of one call. */
export interface WaitOptions {
  signal: AbortSignal;
  /** When the caller gives up, in milliseconds since 1970. */
  deadlineMs?: number;
}

/**
 * How long to wait before the same is asked again; undefined: not at all. Only what cannot have been billed is asked
 * again: a refusal for load, a failure the provider admits, a connection that never came about.
 */
export function retryDelay(attempt: number, thrown: unknown, options: RetryPolicy): number | undefined {
  const fault = faultKindOf(thrown);
  if ((fault !== "rate_limit" && fault !== "outage") || attempt >= options.maxAttempts) return undefined;
  const asked = (thrown as ExaiError).retryAfterMs;
  // Calls that were refused together must not come back together.
  const waitMs = asked === undefined
    ? options.initialDelayMs * 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
    : asked * (1 + Math.random() / 10);
  return waitMs > options.maxDelayMs ? undefined : waitMs;
}

/** Whether the caller will still be there after `waitMs`. */
export function fitsDeadline(waitMs: number, { deadlineMs }: WaitOptions): boolean {
  return deadlineMs === undefined || monotonicNow() + waitMs < deadlineMs;
}

/**
 * Waits, unless `signal` aborts.
 *
 * @throws {ExaiError} the signal's reason
 */
export async function sleep(waitMs: number, { signal }: WaitOptions): Promise<void> {
  try {
    await delay(waitMs, { signal });
  } catch {
    throw abortError(signal);
  }
}
