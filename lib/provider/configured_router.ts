import { FallbackRouter } from "./fallback_router.ts";
import type { SpendingLedger } from "./spending.ts";
import type { ModelRouter } from "./model_router.ts";
import { ProviderSet, type ProviderSetOptions, type ProviderSetUpdate } from "./provider_set.ts";
import { ListedProviders } from "./routing/listed_providers.ts";
import type { ModelChoice } from "./model_choice.ts";

export type { ModelEntry } from "./catalogue/catalogue.ts";
export type { Admit } from "./api/endpoint.ts";
export type { ProviderSetup } from "./provider_set.ts";

export interface ConfigurableRouterOptions extends ProviderSetOptions, ModelChoice {
  /** What the providers were used for; in memory by default. */
  ledger?: SpendingLedger;
  /** The clock of the daily budgets, in milliseconds since 1970. */
  now?: () => number;
}

/** A {@linkcode ModelRouter} whose providers can be reconfigured at run time. */
export interface ConfigurableRouter extends ModelRouter {
  /**
   * Replaces the configuration. A provider with an unchanged setup keeps its state; a running call finishes with the
   * provider it started with.
   */
  configure(update: ProviderSetUpdate, choice?: ModelChoice): void;
}

/**
 * Creates a router over `options.setups`. No provider is contacted before it is needed, except that a local Ollama is
 * probed for at once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createModelRouter } from "./configured_router.ts";
 *
 * using models = createModelRouter({ setups: [{ kind: "glm", apiKey: "a-key" }] });
 * const [glm] = models.status();
 * assertEquals([glm?.name, glm?.available], ["glm", true]);
 * ```
 */
export function createModelRouter(options: ConfigurableRouterOptions): ConfigurableRouter {
  return new ConfiguredRouter(options);
}

class ConfiguredRouter extends FallbackRouter implements ConfigurableRouter {
  readonly #set: ProviderSet;
  readonly #providers: ListedProviders;
  readonly #inForce: { choice: ModelChoice };

  constructor(options: ConfigurableRouterOptions) {
    const set = new ProviderSet(options);
    const inForce: { choice: ModelChoice } = { choice: options };
    const providers = new ListedProviders({
      providers: () => set.providers,
      discover: (signal) => set.discover(signal),
    });
    super({ providers, choice: () => inForce.choice, ledger: options.ledger, now: options.now });
    this.#set = set;
    this.#providers = providers;
    this.#inForce = inForce;
  }

  configure(update: ProviderSetUpdate, choice = this.#inForce.choice): void {
    this.#set.update(update);
    this.#inForce.choice = choice;
    this.#providers.invalidate();
  }
}
