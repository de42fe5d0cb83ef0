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

/** What is left alone after failures. */
interface OpenBreaker {
  /** The model; undefined for all models of the provider. */
  model?: string;
  openForMs: number;
}

/**
 * The circuit breakers of one provider: one for each model that fails, and one for the provider. A failure is the
 * provider's if it could not be reached, or if more than one model has failed since one has answered.
 */
export class ProviderBreaker {
  readonly #provider: string;
  readonly #options: BreakerOptions;
  readonly #circuit: CircuitBreaker;
  /** Of the models that have been asked. */
  readonly #models = new Map<string, CircuitBreaker>();
  /** The models that have failed since any has answered. */
  readonly #failed = new Set<string>();

  constructor(provider: string, options: BreakerOptions) {
    this.#provider = provider;
    this.#options = options;
    this.#circuit = new CircuitBreaker(options);
  }

  /** What is left alone now: the provider, or a model of which no other has answered since; undefined for nothing. */
  get open(): OpenBreaker | undefined {
    const openForMs = this.#circuit.refusesForMs;
    if (openForMs !== undefined) return { openForMs };
    for (const model of this.#failed) {
      const openForMs = this.#models.get(model)?.refusesForMs;
      if (openForMs !== undefined) return { model, openForMs };
    }
    return undefined;
  }

  /** The models that are left alone now. */
  get resting(): string[] {
    return [...this.#models].filter(([, circuit]) => circuit.refusesForMs !== undefined).map(([model]) =>
      model
    );
  }

  /** Closes the breakers. */
  reset(): void {
    this.#circuit.reset();
    for (const circuit of this.#models.values()) circuit.reset();
    this.#failed.clear();
  }

  /**
   * Runs `work`, which asks `model`, unless its breaker or that of the provider is open.
   *
   * @throws {ExaiError} the provider error `breaker_open` with `retryAfterMs`; what `work` throws
   */
  async run<T>(model: string, work: () => Promise<T>): Promise<T> {
    const own = this.#circuitOf(model);
    const ownEra = own.enter();
    if (ownEra === 0) throw this.#openError({ model, openForMs: own.refusesForMs ?? 0 });
    const era = this.#circuit.enter();
    if (era === 0) {
      own.leave(ownEra, "ignored");
      throw this.#openError({ openForMs: this.#circuit.refusesForMs ?? 0 });
    }
    try {
      const result = await work();
      own.leave(ownEra, "success");
      this.#circuit.leave(era, "success");
      this.#failed.clear();
      return result;
    } catch (thrown) {
      const isFailure = FAILURES.includes(faultKindOf(thrown));
      if (isFailure) this.#failed.add(model);
      own.leave(ownEra, isFailure ? "failure" : "ignored");
      this.#circuit.leave(era, isFailure && this.#isOfProvider(thrown) ? "failure" : "ignored");
      throw thrown;
    }
  }

  #circuitOf(model: string): CircuitBreaker {
    const known = this.#models.get(model);
    if (known !== undefined) return known;
    const circuit = new CircuitBreaker(this.#options);
    this.#models.set(model, circuit);
    return circuit;
  }

  #isOfProvider(thrown: unknown): boolean {
    const isUnreachable = faultKindOf(thrown) === "outage" &&
      (thrown as ExaiError).details?.status === undefined;
    return isUnreachable || this.#failed.size > 1;
  }

  #openError({ model, openForMs }: OpenBreaker): ExaiError {
    const retryAfterMs = Math.ceil(openForMs);
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    const who = model === undefined ? this.#provider : `${model} of ${this.#provider}`;
    const other = model === undefined ? "a model of another provider" : "another model";
    return providerError(
      "breaker_open",
      `${who} failed ${this.#options.failures} times in a row and is left alone for ${seconds} s more; name ${other}, ` +
        "or try again then",
      { provider: this.#provider, model, retryAfterMs },
    );
  }
}
