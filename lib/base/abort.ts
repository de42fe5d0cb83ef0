import { ExaiError } from "./errors.ts";

/** The error an aborted `signal` stands for: its reason when that is ours, otherwise `CANCELLED`. */
export function abortError(signal: AbortSignal): ExaiError {
  if (signal.reason instanceof ExaiError) return signal.reason;
  return new ExaiError("CANCELLED", "the call was cancelled", { cause: signal.reason });
}

/**
 * Settles as `work` does, or rejects as soon as `signal` aborts, whatever `work` does afterwards. Frees the
 * caller of work that ignores its signal.
 *
 * @throws {ExaiError} the signal's reason, or `CANCELLED`
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => {});
    return Promise.reject(abortError(signal));
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortError(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    const settle = <V>(how: (value: V) => void) => (value: V) => {
      signal.removeEventListener("abort", onAbort);
      how(value);
    };
    work.then(settle(resolve), settle(reject));
  });
}

interface WithinOptions {
  timeoutMs: number;
  /** What it rejects with; left out: a `DOMException` named `TimeoutError`. */
  late?: Error;
}

/**
 * Settles as `work` does, or rejects after `timeoutMs`. Its timer goes with the work: that of `deadline` in @std/async
 * stays until its time is over, so that a client could heap up one for each of its calls.
 */
export async function withDeadline<T>(work: Promise<T>, { timeoutMs, late }: WithinOptions): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(late ?? new DOMException("Signal timed out.", "TimeoutError")),
    timeoutMs,
  );
  return await Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

/** What `work` resolves with, or undefined when that takes longer than `ms`; its timer goes with the work. */
export async function resolvedWithin<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
