import { ExaiError } from "./errors.ts";

/** The error of an aborted `signal`: its reason if that is an {@linkcode ExaiError}, otherwise `CANCELLED`. */
export function abortError(signal: AbortSignal): ExaiError {
  if (signal.reason instanceof ExaiError) return signal.reason;
  return new ExaiError("CANCELLED", "the call was cancelled", { cause: signal.reason });
}

/**
 * Settles as `work` does, or rejects as soon as `signal` aborts, for work that ignores its signal. Unlike `abortable`
 * of @std/async it rejects with an {@linkcode ExaiError} and makes one promise instead of three: it is on the path of
 * each call.
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
  /** The error it rejects with; a `DOMException` named `TimeoutError` by default. */
  late?: Error;
}

/**
 * Settles as `work` does, or rejects after `timeoutMs`. Unlike `deadline` of @std/async it clears its timer: there
 * each finished call would leave one until its time is over.
 */
export async function withDeadline<T>(work: Promise<T>, { timeoutMs, late }: WithinOptions): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(late ?? new DOMException("Signal timed out.", "TimeoutError")),
    timeoutMs,
  );
  return await Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

/** Settles as `work` does, or resolves with undefined after `ms`. */
export async function resolvedWithin<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
