interface BackoffOptions {
  minMs: number;
  maxMs: number;
  /** A number from 0 to 1. Default: `Math.random`. */
  random?: () => number;
}

/**
 * Delays that double with each attempt and are shortened at random by up to half, so that many windows do not retry in
 * step. Kept here: `@std/async/retry` runs the attempts itself, and these are woken early by requests.
 *
 * @example
 * ```ts
 * import { Backoff } from "./backoff.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const backoff = new Backoff({ minMs: 100, maxMs: 1000, random: () => 0 });
 * assertEquals(Array.from({ length: 5 }, () => backoff.next()), [100, 200, 400, 800, 1000]);
 * backoff.reset();
 * assertEquals(backoff.next(), 100);
 * ```
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #attempts = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** The delay before the next attempt, in milliseconds. */
  next(): number {
    const { minMs, maxMs, random = Math.random } = this.#options;
    const fullMs = Math.min(maxMs, minMs * 2 ** this.#attempts++);
    return fullMs * (1 - random() / 2);
  }

  /** Starts over, after a success. */
  reset(): void {
    this.#attempts = 0;
  }
}
