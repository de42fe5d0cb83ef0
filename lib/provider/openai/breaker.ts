import { CircuitBreaker } from "../../base/circuit_breaker.ts";
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
  readonly #circuit: CircuitBreaker;

  constructor(provider: string, options: BreakerOptions) {
    this.#provider = provider;
    this.#options = options;
    this.#circuit = new CircuitBreaker(options);
  }

  /** How long it stays open, in milliseconds; undefined while calls go through. */
  get openForMs(): number | undefined {
    return this.#circuit.refusesForMs;
  }

  /** Forgets every failure. */
  reset(): void {
    this.#circuit.reset();
  }

  /**
   * Does `work` unless the breaker is open.
   *
   * @throws {ExaiError} the fault `breaker_open`, with `retryAfterMs`; what `work` throws
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const era = this.#circuit.enter();
    if (era === 0) throw this.#refusal();
    try {
      const result = await work();
      this.#circuit.leave(era, "success");
      return result;
    } catch (thrown) {
      this.#circuit.leave(era, UNWELL.includes(faultOf(thrown)) ? "failure" : "ignored");
      throw thrown;
    }
  }

  #refusal() {
    const retryAfterMs = Math.ceil(this.openForMs ?? 0);
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    return providerFault(
      "breaker_open",
      `${this.#provider} failed ${this.#options.failures} times in a row and is left alone for ${seconds} s more; ` +
        "name a model of another provider, or try again then",
      { provider: this.#provider, retryAfterMs },
    );
  }
}
