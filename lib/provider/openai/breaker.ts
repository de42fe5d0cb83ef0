import {
  BrokenCircuitError,
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
} from "cockatiel";
import type { FaultKind } from "../provider.ts";
import { faultOf, providerFault } from "./faults.ts";

export interface BreakerOptions {
  /** Failures in a row after which the provider is left alone. */
  failures: number;
  /** How long it is left alone before one call tries it again. */
  openMs: number;
}

/** Faults that say the provider is not well; what it refuses or limits says nothing of the kind. */
const UNWELL: readonly (FaultKind | undefined)[] = ["outage", "timeout", "cut"];

/** Stops asking a provider that keeps failing. */
export class Breaker {
  readonly #provider: string;
  readonly #options: BreakerOptions;
  #policy!: CircuitBreakerPolicy;
  #openedAtMs = 0;

  constructor(provider: string, options: BreakerOptions) {
    this.#provider = provider;
    this.#options = options;
    this.reset();
  }

  /** How long it stays open, in milliseconds; undefined while calls go through. */
  get openForMs(): number | undefined {
    if (this.#policy.state !== CircuitState.Open) return undefined;
    const leftMs = this.#openedAtMs + this.#options.openMs - performance.now();
    // Past its time it is open in name only: the next call tries.
    return leftMs > 0 ? leftMs : undefined;
  }

  /** Forgets every failure. */
  reset(): void {
    const { failures, openMs } = this.#options;
    this.#policy = circuitBreaker(handleWhen((error) => UNWELL.includes(faultOf(error))), {
      breaker: new ConsecutiveBreaker(failures),
      halfOpenAfter: openMs,
    });
    this.#policy.onBreak(() => this.#openedAtMs = performance.now());
  }

  /**
   * Does `work` unless the breaker is open.
   *
   * @throws {ExaiError} the fault `breaker_open`, with `retryAfterMs`; what `work` throws
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#policy.execute(work);
    } catch (thrown) {
      if (!(thrown instanceof BrokenCircuitError)) throw thrown;
      const retryAfterMs = Math.ceil(this.openForMs ?? 0);
      const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
      throw providerFault(
        "breaker_open",
        `${this.#provider} failed ${this.#options.failures} times in a row and is left alone for ${seconds} s more; ` +
          "name a model of another provider, or try again then",
        { provider: this.#provider, retryAfterMs },
      );
    }
  }
}
