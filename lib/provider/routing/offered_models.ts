import { CLIENT_PROVIDER, clientModel } from "../client_model.ts";
import type { DailyBudgets } from "../cost/daily_budgets.ts";
import type { RouteQuery } from "../model_router.ts";
import type { ModelInfo, Provider } from "../provider.ts";
import type { ProviderStatus } from "../provider_status.ts";
import { allowedModelsOf, allowedModelsVariable, mayAsk, unknownAllowed } from "./allowed_models.ts";
import type { ModelChoice } from "../model_choice.ts";
import { findModel } from "./model_selection.ts";

interface OfferedModelsOptions {
  /** In the order in which `auto` prefers them. */
  providers: () => readonly Provider[];
  choice: () => ModelChoice;
  budgets: DailyBudgets;
}

/** The models that calls may ask now: those of the providers, as far as the user allows them, and the client's. */
export class OfferedModels {
  readonly #options: OfferedModelsOptions;

  constructor(options: OfferedModelsOptions) {
    this.#options = options;
  }

  /** The models a query may use. The client's model is last, since its user may have to approve the request. */
  all(query: RouteQuery): ModelInfo[] {
    return this.byProvider(query).flat();
  }

  byProvider(query: RouteQuery): (readonly ModelInfo[])[] {
    const clientModels = query.sample && isWanted(query, CLIENT_PROVIDER) ? [[clientModel()]] : [];
    const { choice } = this.#options;
    return [...this.#wanted(query).map((provider) => allowedModelsOf(provider, choice())), ...clientModels];
  }

  /** Finds the model that `requested` names, a variant included, if it may be asked. */
  find(requested: string, query: RouteQuery): ModelInfo | undefined {
    const found = findModel(this.all(query), requested) ?? this.#findAnywhere(requested, query);
    const provider = this.#providerOf(found);
    return found && (provider === undefined || mayAsk(found, provider, this.#options.choice()))
      ? found
      : undefined;
  }

  /** The variable that forbids the model `requested`, and its name; undefined if there is none that it forbids. */
  forbidden(requested: string, query: RouteQuery): { model: ModelInfo; by: string } | undefined {
    const model = this.#findAnywhere(requested, query);
    const provider = this.#providerOf(model);
    return model && provider && { model, by: allowedModelsVariable(provider.kind) };
  }

  /** The status of the providers a query may use. */
  statusFor(query: RouteQuery): ProviderStatus[] {
    return this.#wanted(query).map((provider) => this.#statusOf(provider));
  }

  /** The status of every provider. */
  status(): ProviderStatus[] {
    return this.#options.providers().map((provider) => this.#statusOf(provider));
  }

  #wanted(query: RouteQuery): Provider[] {
    return this.#options.providers().filter(({ name, kind }) =>
      isWanted(query, name) || isWanted(query, kind)
    );
  }

  #providerOf(model: ModelInfo | undefined): Provider | undefined {
    return model && this.#options.providers().find(({ name }) => name === model.provider);
  }

  /** Also among the models that may not be asked: a variant may be allowed where its model is not. */
  #findAnywhere(requested: string, query: RouteQuery): ModelInfo | undefined {
    return findModel(this.#wanted(query).flatMap((provider) => provider.models()), requested);
  }

  #statusOf(provider: Provider): ProviderStatus {
    const { choice, budgets } = this.#options;
    const status = provider.status();
    const allowed = new Set(allowedModelsOf(provider, choice()).map(({ name }) => name));
    const models = status.models.filter(({ name }) => allowed.has(name));
    const hidden = status.models.length - models.length;
    const by = allowedModelsVariable(provider.kind);
    const reason = budgets.whySpent(provider) ?? status.reason ??
      (hidden > 0 && models.length === 0 ? `${by} allows none of its models` : undefined);
    const unknown = status.isListed ? unknownAllowed(provider, choice()) : [];
    const spent = budgets.spentBy(provider);
    const budgetWarning = budgets.warning(provider);
    return {
      ...status,
      available: reason === undefined,
      reason,
      models,
      ...(unknown.length + hidden > 0 ? { restricted: { by, hidden, unknown } } : {}),
      ...(spent.inputTokens + spent.outputTokens > 0 ? { spentToday: spent } : {}),
      ...(budgetWarning === undefined ? {} : { budgetWarning }),
    };
  }
}

/** Whether the query may use the provider or kind `name`. */
export function isWanted({ provider }: RouteQuery, name: string): boolean {
  return provider === undefined || provider === name;
}
