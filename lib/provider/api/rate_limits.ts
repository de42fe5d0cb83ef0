import type { ExaiError } from "../../base/errors.ts";
import { SECOND_MS } from "../../base/units.ts";
import { faultKindOf, providerError } from "./provider_errors.ts";
import { fitsDeadline, sleep, type WaitOptions } from "./retry.ts";

interface LimitWait extends WaitOptions {
  /** Called before a wait of `waitMs` milliseconds. */
  onRetry?: (waitMs: number, reason: ExaiError) => void;
}

/** The rate limits that a provider has reported, so that calls wait for those that others met. */
export class RateLimits {
  readonly #provider: string;
  readonly #maxWaitMs: number;
  /** The end of the rate limit of each model, as a `performance.now()` time. */
  readonly #untilMs = new Map<string, number>();

  /** @param maxWaitMs the longest wait, in milliseconds; a longer one fails the request instead */
  constructor(provider: string, maxWaitMs: number) {
    this.#provider = provider;
    this.#maxWaitMs = maxWaitMs;
  }

  /** Stores the end of a rate limit, if `error` reports one. */
  remember(model: string, error: ExaiError): void {
    if (faultKindOf(error) !== "rate_limit" || error.retryAfterMs === undefined) return;
    this.#untilMs.set(model, performance.now() + error.retryAfterMs);
  }

  /**
   * Waits for the end of a rate limit of `model` reported to an earlier call.
   *
   * @throws {ExaiError} the provider error `rate_limit` if the wait is too long; the abort reason of `options.signal`
   */
  async wait(model: string, options: LimitWait): Promise<void> {
    const waitMs = (this.#untilMs.get(model) ?? 0) - performance.now();
    if (waitMs <= 0) {
      this.#untilMs.delete(model);
      return;
    }
    const seconds = Math.ceil(waitMs / SECOND_MS);
    const error = providerError(
      "rate_limit",
      `${this.#provider} wants no question to ${model} for ${seconds} s; wait, or name another model`,
      { provider: this.#provider, model, retryAfterMs: Math.ceil(waitMs) },
    );
    if (waitMs > this.#maxWaitMs || !fitsDeadline(waitMs, options)) throw error;
    options.onRetry?.(waitMs, error);
    await sleep(waitMs, options);
  }
}
