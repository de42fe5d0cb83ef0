import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { askClientModel, CLIENT_PROVIDER, clientModel } from "./client_model.ts";
import { sendWithin } from "./cost/billing.ts";
import { DailyBudgets } from "./cost/daily_budgets.ts";
import { MemoryLedger, type SpendingLedger, tokensOf } from "./spending.ts";
import { setupAdvice } from "./no_model.ts";
import { applyDefaults, needsOf } from "./model_fitness.ts";
import type { ModelRoute, ModelRouter, RoutedResult, RouteQuery } from "./model_router.ts";
import type {
  ChatOptions,
  ChatRequest,
  FileService,
  ModelClass,
  ModelInfo,
  Provider,
  RawCompletionRequest,
  RequestWatch,
} from "./provider.ts";
import type { ProviderStatus } from "./provider_status.ts";
import { askWithFallback } from "./routing/fallback_chain.ts";
import { classForTool } from "./routing/model_classes.ts";
import { defaultModelFor, type ModelChoice } from "./model_choice.ts";
import { chooseAuto, explainChoice, MAX_CHAIN, withoutResting } from "./routing/model_selection.ts";
import type { ListedProviders } from "./routing/listed_providers.ts";
import { isWanted, OfferedModels } from "./routing/offered_models.ts";
import {
  forbiddenModel,
  noSuitableModel,
  samplingUnavailable,
  unknownModel,
  unsuitableModel,
  withSetting,
} from "./routing/resolve_errors.ts";
import { attributeTurns } from "./speakers.ts";
import { estimateTokens } from "./token_estimate.ts";

interface FallbackRouterOptions {
  /** In the order in which `auto` prefers them. */
  providers: ListedProviders;
  /** Which models the user wants to be asked; may change. */
  choice?: () => ModelChoice;
  /** What the providers were used for; in memory by default. */
  ledger?: SpendingLedger;
  /** The clock, in milliseconds since 1970. */
  now?: () => number;
}

/** Unknown model names trigger a refresh at most this often. */
const RELIST_AFTER_MS = 60 * SECOND_MS;

/**
 * A {@linkcode ModelRouter} that falls back to further models when one is unavailable. Chooses among
 * `options.providers` and the client's model. Disposing it aborts its background requests.
 */
export class FallbackRouter implements ModelRouter {
  readonly #options: FallbackRouterOptions;
  readonly #budgets: DailyBudgets;
  readonly #offered: OfferedModels;

  constructor(options: FallbackRouterOptions) {
    this.#options = options;
    const { providers, choice = () => ({}), ledger = new MemoryLedger(), now } = options;
    this.#budgets = new DailyBudgets({ choice, ledger, now });
    this.#offered = new OfferedModels({ providers: () => providers.all, choice, budgets: this.#budgets });
  }

  async resolve(query: RouteQuery): Promise<ModelRoute> {
    await this.#options.providers.discovered();
    const requested = query.requested?.trim();
    return requested ? await this.#resolveRequested(requested, query) : await this.#resolveDefault(query);
  }

  chat(route: ModelRoute, request: ChatRequest, options: ChatOptions): Promise<RoutedResult> {
    return askWithFallback(route, {
      ...options,
      needs: () => needsOf(request),
      send: async (model, options) => {
        const { request: complete, leftOut } = applyDefaults(request, model);
        const question = { ...complete, messages: attributeTurns(complete.messages, model), model };
        if (model.provider === CLIENT_PROVIDER && route.sample) {
          const { sample, preferredClass } = route;
          const result = await askClientModel(question, { ...options, sample, preferredClass });
          options.onSpent?.(tokensOf(result.usage));
          return { ...result, leftOut };
        }
        const provider = this.#providerOf(model);
        const send = (watch: RequestWatch) => provider.chat(question, { ...options, ...watch });
        return { ...await sendWithin(this.#budgets, question, { ...options, provider, send }), leftOut };
      },
    });
  }

  complete(route: ModelRoute, request: RawCompletionRequest, options: ChatOptions): Promise<RoutedResult> {
    const { webSearch, tools } = request;
    return askWithFallback(route, {
      ...options,
      needs: async () => ({
        webSearch,
        tools: (tools?.length ?? 0) > 0,
        inputTokens: await estimateTokens(JSON.stringify(request.messages)),
      }),
      send: async (model, options) => {
        const provider = model.provider === CLIENT_PROVIDER ? undefined : this.#providerOf(model);
        if (provider?.complete === undefined) {
          throw new ExaiError(
            "INVALID_PARAMS",
            `${model.provider} takes no raw completions; name a model of kimi`,
          );
        }
        const question = { ...request, model };
        const send = (watch: RequestWatch) => provider.complete!(question, { ...options, ...watch });
        return await sendWithin(this.#budgets, question, { ...options, provider, send });
      },
    });
  }

  files(name: string): FileService {
    const provider = this.#providers.find((one) => one.name === name);
    if (provider === undefined) {
      throw new ExaiError("INVALID_PARAMS", `${name} is not set up: ${setupAdvice(name)}`);
    }
    if (provider.files === undefined) {
      throw new ExaiError("INVALID_PARAMS", `${name} stores no files; kimi does`);
    }
    return provider.files;
  }

  status(): readonly ProviderStatus[] {
    return this.#offered.status();
  }

  async ensureFresh(maxAgeMs: number): Promise<void> {
    await this.#options.providers.discovered();
    await this.#options.providers.ensure(maxAgeMs);
  }

  async refresh(signal?: AbortSignal): Promise<void> {
    await this.#options.providers.refresh(signal);
  }

  [Symbol.dispose](): void {
    this.#options.providers[Symbol.dispose]();
  }

  get #providers(): readonly Provider[] {
    return this.#options.providers.all;
  }

  #providerOf({ provider: name }: ModelInfo): Provider {
    const provider = this.#providers.find((one) => one.name === name);
    if (provider !== undefined) return provider;
    throw new ExaiError(
      "INVALID_PARAMS",
      `the provider ${name} is not there any more; name another model, or auto`,
    );
  }

  /** Resolves the model of the settings. One that a query for a single provider cannot have leaves the choice to `auto`. */
  async #resolveDefault(query: RouteQuery): Promise<ModelRoute> {
    const byDefault = defaultModelFor(query.tool, this.#options.choice?.() ?? {});
    const { model } = byDefault;
    const isElsewhere = query.provider !== undefined && this.#offered.find(model, query) === undefined;
    if (isElsewhere) return await this.#resolveAuto("auto", query);
    try {
      const route = await this.#resolveRequested(model, query);
      return byDefault.by === undefined ? route : { ...route, why: `${route.why} (${byDefault.by})` };
    } catch (thrown) {
      throw byDefault.by === undefined ? thrown : withSetting(ExaiError.from(thrown), model, byDefault.by);
    }
  }

  async #resolveRequested(requested: string, query: RouteQuery): Promise<ModelRoute> {
    if (requested.toLowerCase() === "auto") return await this.#resolveAuto(requested, query);
    const client = this.#resolveClient(requested, query);
    if (client !== undefined) return client;
    const provider = this.#providers.find(({ name }) => name.toLowerCase() === requested.toLowerCase());
    if (provider !== undefined) {
      return await this.#resolveAuto(requested, { ...query, provider: provider.name });
    }
    const model = await this.#find(requested, query);
    if (model === undefined) throw this.#unknown(requested, query);
    return this.#resolveNamed(requested, { model, query });
  }

  #resolveClient(requested: string, query: RouteQuery): ModelRoute | undefined {
    const [prefix, ...hint] = requested.split("/");
    if (prefix !== CLIENT_PROVIDER) return undefined;
    if (query.sample === undefined) throw samplingUnavailable(this.#offered.all(query), this.status());
    if (!isWanted(query, CLIENT_PROVIDER)) return undefined;
    return this.#resolveNamed(requested, { model: clientModel(hint.join("/")), query });
  }

  #unknown(requested: string, query: RouteQuery): ExaiError {
    const available = this.#offered.all(query);
    const forbidden = this.#offered.forbidden(requested, query);
    if (forbidden !== undefined) return forbiddenModel(forbidden, available, { configured: this.status() });
    return unknownModel(requested, available, { configured: this.status() });
  }

  #resolveNamed(requested: string, { model, query }: { model: ModelInfo; query: RouteQuery }): ModelRoute {
    const error = unsuitableModel(model, query.needs ?? {}, this.#offered.all(query)) ??
      this.#overBudget(model);
    if (error !== undefined) throw error;
    const why = requested === model.name
      ? `${model.name} was asked for`
      : `${requested} was asked for: ${model.name}`;
    const preferredClass = preferredClassOf(query);
    return { requested, model, fallbacks: [], why, preferredClass, sample: query.sample };
  }

  #overBudget(model: ModelInfo): ExaiError | undefined {
    const provider = this.#providers.find(({ name }) => name === model.provider);
    return provider && this.#budgets.refusal(model, provider);
  }

  /** Those of `models` that the budgets cover; all if none is, so that the refusal is reported. */
  #affordable(models: readonly ModelInfo[]): readonly ModelInfo[] {
    const covered = models.filter((model) => this.#overBudget(model) === undefined);
    return covered.length > 0 ? covered : models;
  }

  async #resolveAuto(requested: string, query: RouteQuery): Promise<ModelRoute> {
    await this.#options.providers.ensure(Infinity);
    const { needs = {}, sample } = query;
    const preferredClass = preferredClassOf(query);
    const statuses = this.#offered.statusFor(query);
    const unavailable = statuses.filter(({ available }) => !available);
    const isUnavailable = ([first]: readonly ModelInfo[]) =>
      unavailable.some(({ name }) => name === first?.provider);
    const all = this.#offered.byProvider(query).map((models) =>
      this.#affordable(withoutResting(models, statuses))
    );
    // Unavailable providers come last: one of them may have recovered.
    const chain = [
      ...chooseAuto(all.filter((models) => !isUnavailable(models)), { preferredClass, needs }),
      ...chooseAuto(all.filter(isUnavailable), { preferredClass, needs }),
    ];
    const [model, ...fallbacks] = chain.slice(0, MAX_CHAIN);
    if (model === undefined) {
      throw noSuitableModel(needs, this.#offered.all(query), {
        provider: query.provider,
        configured: this.status(),
      });
    }
    const why = explainChoice(model, { query, preferredClass, unavailable });
    return { requested, model, fallbacks, why, preferredClass, sample };
  }

  /** Finds the model named `requested`, after a refresh of the lists if it is unknown. */
  async #find(requested: string, query: RouteQuery): Promise<ModelInfo | undefined> {
    const known = this.#offered.find(requested, query);
    const { providers } = this.#options;
    if (known !== undefined || providers.ageMs < RELIST_AFTER_MS) return known;
    await providers.ensure(RELIST_AFTER_MS, Infinity);
    return this.#offered.find(requested, query);
  }
}

function preferredClassOf({ class: override, tool }: RouteQuery): ModelClass {
  return override ?? classForTool(tool);
}
