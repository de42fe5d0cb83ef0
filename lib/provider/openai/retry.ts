import { delay } from "@std/async/delay";
import { abortError } from "../../base/abort.ts";
import { ExaiError } from "../../base/errors.ts";
import { monotonicNow } from "../../base/time.ts";
import { SECOND_MS } from "../../base/units.ts";
import { faultOf } from "./faults.ts";

export interface RetryOptions {
  /** How often one request is sent at most. */
  attempts: number;
  /** What the first wait is about, in milliseconds; each further one is twice as long. */
  baseMs: number;
  /** Longest wait that is worth it; a provider that asks for more is given up. */
  maxWaitMs: number;
}

export const RETRY: RetryOptions = { attempts: 3, baseMs: 500, maxWaitMs: 20 * SECOND_MS };

/** What bounds the waits of one call. */
export interface WaitBounds {
  signal: AbortSignal;
  /** When the caller gives up, in milliseconds since 1970. */
  deadlineMs?: number;
}

/**
 * How long to wait before the same is asked again; undefined: not at all. Only what cannot have been billed is asked
 * again: a refusal for load, a failure the provider admits, a connection that never came about.
 */
export function waitBefore(attempt: number, thrown: unknown, options: RetryOptions): number | undefined {
  const fault = faultOf(thrown);
  if ((fault !== "rate_limit" && fault !== "outage") || attempt >= options.attempts) return undefined;
  const asked = (thrown as ExaiError).retryAfterMs;
  // Calls that were refused together must not come back together.
  const waitMs = asked === undefined
    ? options.baseMs * 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
    : asked * (1 + Math.random() / 10);
  return waitMs > options.maxWaitMs ? undefined : waitMs;
}

/** Whether the caller will still be there after `waitMs`. */
export function isWorthWaiting(waitMs: number, { deadlineMs }: WaitBounds): boolean {
  return deadlineMs === undefined || monotonicNow() + waitMs < deadlineMs;
}

/**
 * Waits, unless `signal` aborts.
 *
 * @throws {ExaiError} the signal's reason
 */
export async function wait(waitMs: number, { signal }: WaitBounds): Promise<void> {
  try {
    await delay(waitMs, { signal });
  } catch {
    throw abortError(signal);
  }
}
