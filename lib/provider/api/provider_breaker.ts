import { CircuitBreaker } from "../../base/circuit_breaker.ts";
import type { ExaiError } from "../../base/errors.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { FaultKind } from "../provider.ts";
import { faultKindOf, providerError } from "./provider_errors.ts";

export interface BreakerOptions {
  /** Consecutive failures that open the breaker of the provider. */
  failures: number;
  /** Those that open the breaker of a model; as many where only `failures` is given. */
  modelFailures: number;
  /** How long it stays open before a call may try the provider again, in milliseconds. */
  openMs: number;
}

/** Some models fail now and then: five failures in a row are chance there, and would shut out one that mostly answers. */
const DEFAULTS: BreakerOptions = { failures: 5, modelFailures: 10, openMs: 30 * SECOND_MS };

/** So many models left alone, while no other has answered, are the fault of their provider. */
const MIN_FAILING_MODELS = 2;

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
 * provider's if it could not be reached; once several models are left alone and none has answered, all are.
 */
export class ProviderBreaker {
  readonly #provider: string;
  readonly #options: BreakerOptions;
  readonly #circuit: CircuitBreaker;
  /** Of the models that have been asked. */
  readonly #models = new Map<string, CircuitBreaker>();
  /** The models that have failed since any has answered. */
  readonly #failed = new Set<string>();

  constructor(provider: string, options: Partial<BreakerOptions> = {}) {
    this.#provider = provider;
    const { failures, modelFailures = failures } = options;
    this.#options = { ...DEFAULTS, ...options, modelFailures: modelFailures ?? DEFAULTS.modelFailures };
    this.#circuit = new CircuitBreaker(this.#options);
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
    const generation = this.#circuit.enter();
    if (generation === 0) {
      own.leave(ownEra, "ignored");
      throw this.#openError({ openForMs: this.#circuit.refusesForMs ?? 0 });
    }
    try {
      const result = await work();
      own.leave(ownEra, "success");
      this.#circuit.leave(generation, "success");
      this.#failed.clear();
      return result;
    } catch (thrown) {
      const isFailure = FAILURES.includes(faultKindOf(thrown));
      if (isFailure) this.#failed.add(model);
      own.leave(ownEra, isFailure ? "failure" : "ignored");
      this.#circuit.leave(generation, isFailure && isUnreachable(thrown) ? "failure" : "ignored");
      const failing = this.resting.filter((one) => this.#failed.has(one));
      if (isFailure && failing.length >= MIN_FAILING_MODELS) this.#circuit.openFor(this.#options.openMs);
      throw thrown;
    }
  }

  #circuitOf(model: string): CircuitBreaker {
    const known = this.#models.get(model);
    if (known !== undefined) return known;
    const { openMs } = this.#options;
    const circuit = new CircuitBreaker({ failures: this.#options.modelFailures, openMs });
    this.#models.set(model, circuit);
    return circuit;
  }

  #openError({ model, openForMs }: OpenBreaker): ExaiError {
    const retryAfterMs = Math.ceil(openForMs);
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    const who = model === undefined ? this.#provider : `${model} of ${this.#provider}`;
    const times = model === undefined ? "several" : this.#options.modelFailures;
    const other = model === undefined ? "a model of another provider" : "another model";
    return providerError(
      "breaker_open",
      `${who} failed ${times} times in a row and is left alone for ${seconds} s more; name ${other}, ` +
        "or try again then",
      { provider: this.#provider, model, retryAfterMs },
    );
  }
}

/** Whether nothing was answered. An error within a stream has no status either, and is mostly that of one model. */
function isUnreachable(thrown: unknown): boolean {
  if (faultKindOf(thrown) !== "outage") return false;
  const { details, cause } = thrown as ExaiError;
  const isSaid = typeof cause === "object" && cause !== null && "error" in cause;
  return details?.status === undefined && !isSaid;
}
