import { CircuitBreaker } from "../../base/circuit_breaker.ts";
import type { ExaiError } from "../../base/errors.ts";
import type { FaultKind } from "../provider.ts";
import { faultKindOf, providerError } from "./provider_errors.ts";

export interface BreakerOptions {
  /** Consecutive failures that open the breaker. */
  failures: number;
  /** How long it stays open before a call may try the provider again, in milliseconds. */
  openMs: number;
}

/** Errors that count as failures. A rejected or rate-limited request does not. */
const FAILURES: readonly (FaultKind | undefined)[] = ["outage", "timeout", "cut"];

/** A circuit breaker for one provider. */
export class ProviderBreaker {
  readonly #provider: string;
  readonly #options: BreakerOptions;
  readonly #circuit: CircuitBreaker;

  constructor(provider: string, options: BreakerOptions) {
    this.#provider = provider;
    this.#options = options;
    this.#circuit = new CircuitBreaker(options);
  }

  /** How much longer it stays open, in milliseconds; undefined while requests pass. */
  get openForMs(): number | undefined {
    return this.#circuit.refusesForMs;
  }

  /** Closes the breaker. */
  reset(): void {
    this.#circuit.reset();
  }

  /**
   * Runs `work` unless the breaker is open.
   *
   * @throws {ExaiError} the provider error `breaker_open` with `retryAfterMs`; what `work` throws
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const era = this.#circuit.enter();
    if (era === 0) throw this.#openError();
    try {
      const result = await work();
      this.#circuit.leave(era, "success");
      return result;
    } catch (thrown) {
      this.#circuit.leave(era, FAILURES.includes(faultKindOf(thrown)) ? "failure" : "ignored");
      throw thrown;
    }
  }

  #openError(): ExaiError {
    const retryAfterMs = Math.ceil(this.openForMs ?? 0);
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    return providerError(
      "breaker_open",
      `${this.#provider} failed ${this.#options.failures} times in a row and is left alone for ${seconds} s more; ` +
        "name a model of another provider, or try again then",
      { provider: this.#provider, retryAfterMs },
    );
  }
}
