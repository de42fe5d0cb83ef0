import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { askClientModel, CLIENT_PROVIDER, clientModel } from "./client_model.ts";
import { applyDefaults, needsOf } from "./model_fitness.ts";
import type { ModelRoute, ModelRouter, RoutedResult, RouteQuery } from "./model_router.ts";
import type {
  ChatOptions,
  ChatRequest,
  FileService,
  ModelClass,
  ModelInfo,
  Provider,
  RawRequest,
} from "./provider.ts";
import type { ProviderStatus } from "./provider_status.ts";
import { askWithFallback } from "./routing/fallback_chain.ts";
import { classForTool } from "./routing/model_classes.ts";
import { chooseAuto, explainChoice, findModel, MAX_CHAIN } from "./routing/model_selection.ts";
import {
  noSuitableModel,
  samplingUnavailable,
  setupAdvice,
  unknownModel,
  unsuitableModel,
} from "./routing/resolve_errors.ts";
import { attributeTurns } from "./speakers.ts";
import { estimateTokens } from "./token_estimate.ts";

interface FallbackRouterOptions {
  /** In the order in which `auto` prefers them. Read for each request, so the configuration may change. */
  providers: () => readonly Provider[];
  /** Finds providers that come and go, such as a local Ollama. Called at once and on each refresh. */
  discover?: (signal: AbortSignal) => Promise<readonly Provider[]>;
  /** The model for calls that name none. */
  defaultModel?: string;
}

/** How long a request waits for the lists of models before it uses the previous ones. */
const LIST_WAIT_MS = 3 * SECOND_MS;

/** Unknown model names trigger a refresh at most this often. */
const RELIST_AFTER_MS = 60 * SECOND_MS;

/**
 * A {@linkcode ModelRouter} that falls back to further models when one is unavailable. Chooses among
 * `options.providers` and the client's model. Disposing it aborts its background requests.
 */
export class FallbackRouter implements ModelRouter {
  readonly #options: FallbackRouterOptions;
  readonly #disposal = new AbortController();
  #discovered: readonly Provider[] = [];
  #discovery: Promise<void>;
  #refresh: Promise<void> | undefined;
  #refreshedAtMs = -Infinity;
  /** Incremented by each {@linkcode invalidate}, so that a refresh of the previous providers does not count. */
  #generation = 0;

  constructor(options: FallbackRouterOptions) {
    this.#options = options;
    this.#discovery = this.#discover(this.#disposal.signal);
  }

  async resolve(query: RouteQuery): Promise<ModelRoute> {
    const requested = query.requested?.trim() || this.#options.defaultModel || "auto";
    await this.#discovery;
    if (requested.toLowerCase() === "auto") return await this.#resolveAuto(requested, query);
    const { sample } = query;
    const [prefix, ...hint] = requested.split("/");
    if (prefix === CLIENT_PROVIDER && sample !== undefined && isAllowed(query, CLIENT_PROVIDER)) {
      return this.#resolveNamed(requested, { model: clientModel(hint.join("/")), query });
    }
    if (prefix === CLIENT_PROVIDER && sample === undefined) throw samplingUnavailable(this.#models(query));
    if (this.#providers.some(({ name }) => name === requested)) {
      return await this.#resolveAuto(requested, { ...query, provider: requested });
    }
    const model = await this.#find(requested, query);
    if (model === undefined) throw unknownModel(requested, this.#models(query), this.status());
    return this.#resolveNamed(requested, { model, query });
  }

  chat(route: ModelRoute, request: ChatRequest, options: ChatOptions): Promise<RoutedResult> {
    return askWithFallback(route, {
      ...options,
      needs: () => needsOf(request),
      send: async (model, options) => {
        const { request: complete, leftOut } = applyDefaults(request, model);
        const question = { ...complete, messages: attributeTurns(complete.messages, model), model };
        const result = model.provider === CLIENT_PROVIDER && route.sample
          ? await askClientModel(question, {
            ...options,
            sample: route.sample,
            preferredClass: route.preferredClass,
          })
          : await this.#providerOf(model).chat(question, options);
        return { ...result, leftOut };
      },
    });
  }

  complete(route: ModelRoute, request: RawRequest, options: ChatOptions): Promise<RoutedResult> {
    const { webSearch, tools } = request;
    return askWithFallback(route, {
      ...options,
      needs: async () => ({
        webSearch,
        tools: (tools?.length ?? 0) > 0,
        inputTokens: await estimateTokens(JSON.stringify(request.messages)),
      }),
      send: (model, options) => {
        const provider = model.provider === CLIENT_PROVIDER ? undefined : this.#providerOf(model);
        if (provider?.complete !== undefined) return provider.complete({ ...request, model }, options);
        throw new ExaiError(
          "INVALID_PARAMS",
          `${model.provider} takes no raw completions; name a model of kimi`,
        );
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
    return this.#providers.map((provider) => provider.status());
  }

  async ensureFresh(maxAgeMs: number): Promise<void> {
    await this.#discovery;
    await this.#ensureListed(LIST_WAIT_MS, { force: performance.now() - this.#refreshedAtMs > maxAgeMs });
  }

  async refresh(signal?: AbortSignal): Promise<void> {
    const disposed = this.#disposal.signal;
    const either = signal ? AbortSignal.any([signal, disposed]) : disposed;
    const generation = this.#generation;
    this.#discovery = this.#discover(either);
    await this.#discovery;
    await Promise.all(this.#providers.map((provider) => provider.refresh(either)));
    if (!either.aborted && generation === this.#generation) this.#refreshedAtMs = performance.now();
  }

  [Symbol.dispose](): void {
    this.#disposal.abort();
  }

  /** Marks the lists as outdated after the providers have changed; they are fetched when next needed. */
  invalidate(): void {
    this.#generation++;
    this.#refresh = undefined;
    this.#refreshedAtMs = -Infinity;
  }

  get #providers(): readonly Provider[] {
    return [...this.#options.providers(), ...this.#discovered];
  }

  #providerOf({ provider: name }: ModelInfo): Provider {
    const provider = this.#providers.find((one) => one.name === name);
    if (provider !== undefined) return provider;
    throw new ExaiError(
      "INVALID_PARAMS",
      `the provider ${name} is not there any more; name another model, or auto`,
    );
  }

  /** The models allowed by a query. The client's model is last, since its user may have to approve the request. */
  #models(query: RouteQuery): ModelInfo[] {
    return this.#modelsByProvider(query).flat();
  }

  #modelsByProvider(query: RouteQuery): (readonly ModelInfo[])[] {
    const clientModels = query.sample && isAllowed(query, CLIENT_PROVIDER) ? [[clientModel()]] : [];
    return [...this.#allowed(query).map((provider) => provider.models()), ...clientModels];
  }

  #allowed(query: RouteQuery): Provider[] {
    return this.#providers.filter(({ name, kind }) => isAllowed(query, name) || isAllowed(query, kind));
  }

  #resolveNamed(requested: string, { model, query }: { model: ModelInfo; query: RouteQuery }): ModelRoute {
    const error = unsuitableModel(model, query.needs ?? {}, this.#models(query));
    if (error !== undefined) throw error;
    const why = requested === model.name
      ? `${model.name} was asked for`
      : `${requested} was asked for: ${model.name}`;
    const preferredClass = preferredClassOf(query);
    return { requested, model, fallbacks: [], why, preferredClass, sample: query.sample };
  }

  async #resolveAuto(requested: string, query: RouteQuery): Promise<ModelRoute> {
    await this.#ensureListed(LIST_WAIT_MS);
    const { needs = {}, sample } = query;
    const preferredClass = preferredClassOf(query);
    const unavailable = this.#allowed(query).map((provider) => provider.status())
      .filter(({ available }) => !available);
    const isUnavailable = ([first]: readonly ModelInfo[]) =>
      unavailable.some(({ name }) => name === first?.provider);
    const all = this.#modelsByProvider(query);
    // Unavailable providers come last: one of them may have recovered.
    const chain = [
      ...chooseAuto(all.filter((models) => !isUnavailable(models)), { preferredClass, needs }),
      ...chooseAuto(all.filter(isUnavailable), { preferredClass, needs }),
    ];
    const [model, ...fallbacks] = chain.slice(0, MAX_CHAIN);
    if (model === undefined) {
      const { provider } = query;
      throw noSuitableModel(needs, this.#models(query), { provider, configured: this.status() });
    }
    const why = explainChoice(model, { query, preferredClass, unavailable });
    return { requested, model, fallbacks, why, preferredClass, sample };
  }

  /** Finds the model named `requested`, after a refresh of the lists if it is unknown. */
  async #find(requested: string, query: RouteQuery): Promise<ModelInfo | undefined> {
    const known = findModel(this.#models(query), requested);
    if (known !== undefined || performance.now() - this.#refreshedAtMs < RELIST_AFTER_MS) return known;
    await this.#ensureListed(Infinity, { force: true });
    return findModel(this.#models(query), requested);
  }

  /** Waits at most `waitMs` for a refresh in the background, which concurrent requests share. */
  async #ensureListed(waitMs: number, { force = false } = {}): Promise<void> {
    if (this.#refreshedAtMs > -Infinity && !force) return;
    this.#refresh ??= this.refresh().finally(() => this.#refresh = undefined);
    if (waitMs === Infinity) return await this.#refresh;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => timer = setTimeout(resolve, waitMs));
    await Promise.race([this.#refresh, timeout]);
    clearTimeout(timer);
  }

  async #discover(signal: AbortSignal): Promise<void> {
    this.#discovered = await this.#options.discover?.(signal).catch(() => []) ?? [];
  }
}

/** Whether the query may use the provider or kind `name`. */
function isAllowed({ provider }: RouteQuery, name: string): boolean {
  return provider === undefined || provider === name;
}

function preferredClassOf({ class: override, tool }: RouteQuery): ModelClass {
  return override ?? classForTool(tool);
}
