/** Bounds of the waits between two tries. */
interface BackoffOptions {
  minMs: number;
  maxMs: number;
  /** A number from 0 to 1; `Math.random` unless a test needs to know. */
  random?: () => number;
}

/** Waits that double from try to try, each shortened at random by up to half, so that many windows do not try in step. */
export class Backoff {
  readonly #options: BackoffOptions;
  #tries = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** The wait before the next try, in milliseconds. */
  next(): number {
    const { minMs, maxMs, random = Math.random } = this.#options;
    const fullMs = Math.min(maxMs, minMs * 2 ** this.#tries++);
    return fullMs * (1 - random() / 2);
  }

  /** Begins anew, after a try that went well. */
  reset(): void {
    this.#tries = 0;
  }
}
