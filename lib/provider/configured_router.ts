import { FallbackRouter } from "./fallback_router.ts";
import type { ModelRouter } from "./model_router.ts";
import { ProviderSet, type ProviderSetOptions, type ProviderSetUpdate } from "./provider_set.ts";

export type { ModelEntry } from "./catalogue/catalogue.ts";
export type { Admit } from "./api/endpoint.ts";
export type { ProviderSetup } from "./provider_set.ts";

export interface ConfigurableRouterOptions extends ProviderSetOptions {
  /** The model for calls that name none; defaults to `auto`. */
  defaultModel?: string;
}

/** A {@linkcode ModelRouter} whose providers can be reconfigured at run time. */
export interface ConfigurableRouter extends ModelRouter {
  /**
   * Replaces the configuration. A provider with an unchanged setup keeps its state; a running call finishes with the
   * provider it started with.
   */
  configure(update: ProviderSetUpdate): void;
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

  constructor(options: ConfigurableRouterOptions) {
    const set = new ProviderSet(options);
    super({
      providers: () => set.providers,
      defaultModel: options.defaultModel,
      discover: (signal) => set.discover(signal),
    });
    this.#set = set;
  }

  configure(update: ProviderSetUpdate): void {
    this.#set.update(update);
    this.invalidate();
  }
}
