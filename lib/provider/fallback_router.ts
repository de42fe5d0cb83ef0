import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { askWithFallback } from "./routing/fallback_chain.ts";
import { chooseAuto, describeNeeds, findModel, MAX_CHAIN } from "./routing/model_selection.ts";
import { classForTool } from "./routing/model_classes.ts";
import {
  noSuitableModel,
  samplingUnavailable,
  setupAdvice,
  unknownModel,
  unsuitableModel,
} from "./routing/resolve_errors.ts";
import { applyDefaults } from "./model_fitness.ts";
import { estimateTokens } from "./token_estimate.ts";
import type {
  ChatOptions,
  ChatRequest,
  FileService,
  ModelClass,
  ModelInfo,
  Provider,
  RawRequest,
} from "./provider.ts";
import type { ModelNeeds, ModelRoute, ModelRouter, RoutedResult, RouteQuery } from "./model_router.ts";
import { askClientModel, CLIENT_PROVIDER, clientModel } from "./client_model.ts";
import type { ProviderStatus } from "./provider_status.ts";

interface FallbackRouterOptions {
  /** In the order in which `auto` prefers them; others from one call to the next when the configuration changes. */
  providers: () => readonly Provider[];
  /** Looks for providers that come and go, as a local Ollama; called now, and whenever lists are asked for anew. */
  discover?: (signal: AbortSignal) => Promise<readonly Provider[]>;
  /** What is asked when a call names no model. */
  defaultModel?: string;
}

/** How long the providers' lists are waited for; when they take longer, what was known before stands for them. */
const LIST_WAIT_MS = 3 * SECOND_MS;

/** A name nobody knows makes the providers be asked again, but not more often than this. */
const RELIST_AFTER_MS = 60 * SECOND_MS;

/** Estimated tokens of one image; vendors count from some hundred to two thousand. */
const IMAGE_TOKENS = 1500;

/** Chooses among `options.providers` and the attached client's own model. Disposing it ends what it asks for itself. */
export class FallbackRouter implements ModelRouter {
  readonly #options: FallbackRouterOptions;
  readonly #end = new AbortController();
  #found: readonly Provider[] = [];
  #discovery: Promise<void>;
  #refresh: Promise<void> | undefined;
  #refreshedAtMs = -Infinity;
  /** How often there were other providers. */
  #changes = 0;

  constructor(options: FallbackRouterOptions) {
    this.#options = options;
    this.#discovery = this.#discover(this.#end.signal);
  }

  async resolve(query: RouteQuery): Promise<ModelRoute> {
    const requested = query.requested?.trim() || this.#options.defaultModel || "auto";
    await this.#discovery;
    if (requested.toLowerCase() === "auto") return await this.#resolveAuto(requested, query);
    const { sample } = query;
    const [head, ...hint] = requested.split("/");
    if (head === CLIENT_PROVIDER && sample !== undefined && isOpen(query, CLIENT_PROVIDER)) {
      return this.#resolveNamed(requested, { model: clientModel(hint.join("/")), query });
    }
    if (head === CLIENT_PROVIDER && sample === undefined) throw samplingUnavailable(this.#models(query));
    if (this.#providers.some(({ name }) => name === requested)) {
      return await this.#resolveAuto(requested, { ...query, provider: requested });
    }
    const model = await this.#find(requested, query);
    if (model === undefined) throw unknownModel(requested, this.#models(query));
    return this.#resolveNamed(requested, { model, query });
  }

  chat(route: ModelRoute, request: ChatRequest, options: ChatOptions): Promise<RoutedResult> {
    return askWithFallback(route, {
      ...options,
      needs: () => needsOf(request),
      ask: async (model, options) => {
        const { request: settled, leftOut } = applyDefaults(request, model);
        const question = { ...settled, model };
        const result = model.provider === CLIENT_PROVIDER && route.sample
          ? await askClientModel(question, { ...options, sample: route.sample, wanted: route.preferredClass })
          : await this.#provider(model.provider).chat(question, options);
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
      ask: (model, options) => {
        const provider = model.provider === CLIENT_PROVIDER ? undefined : this.#provider(model.provider);
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
    await this.#listOnce(LIST_WAIT_MS, { again: performance.now() - this.#refreshedAtMs > maxAgeMs });
  }

  async refresh(signal?: AbortSignal): Promise<void> {
    const ended = this.#end.signal;
    const either = signal ? AbortSignal.any([signal, ended]) : ended;
    const change = this.#changes;
    this.#discovery = this.#discover(either);
    await this.#discovery;
    await Promise.all(this.#providers.map((provider) => provider.refresh(either)));
    if (!either.aborted && change === this.#changes) this.#refreshedAtMs = performance.now();
  }

  [Symbol.dispose](): void {
    this.#end.abort();
  }

  /** There are other providers than before: their lists are asked for when they are next needed. */
  invalidate(): void {
    this.#changes++;
    this.#refresh = undefined;
    this.#refreshedAtMs = -Infinity;
  }

  get #providers(): readonly Provider[] {
    return [...this.#options.providers(), ...this.#found];
  }

  #provider(name: string): Provider {
    const provider = this.#providers.find((one) => one.name === name);
    if (provider !== undefined) return provider;
    throw new ExaiError(
      "INVALID_PARAMS",
      `the provider ${name} is not there any more; name another model, or auto`,
    );
  }

  /** The models a query may choose from, the client's own last: its user may be asked before it answers. */
  #models(query: RouteQuery): ModelInfo[] {
    return this.#byProvider(query).flat();
  }

  #byProvider(query: RouteQuery): (readonly ModelInfo[])[] {
    const own = query.sample && isOpen(query, CLIENT_PROVIDER) ? [[clientModel()]] : [];
    return [...this.#open(query).map((provider) => provider.models()), ...own];
  }

  #open(query: RouteQuery): Provider[] {
    return this.#providers.filter(({ name, kind }) => isOpen(query, name) || isOpen(query, kind));
  }

  #resolveNamed(requested: string, { model, query }: { model: ModelInfo; query: RouteQuery }): ModelRoute {
    const unfit = unsuitableModel(model, query.needs ?? {}, this.#models(query));
    if (unfit !== undefined) throw unfit;
    const why = requested === model.name
      ? `${model.name} was asked for`
      : `${requested} was asked for: ${model.name}`;
    return { requested, model, fallbacks: [], why, preferredClass: wantedBy(query), sample: query.sample };
  }

  async #resolveAuto(requested: string, query: RouteQuery): Promise<ModelRoute> {
    await this.#listOnce(LIST_WAIT_MS);
    const { needs = {}, sample } = query;
    const wanted = wantedBy(query);
    const away = this.#open(query).map((provider) => provider.status()).filter(({ available }) => !available);
    const isAway = ([first]: readonly ModelInfo[]) => away.some(({ name }) => name === first?.provider);
    const all = this.#byProvider(query);
    // What cannot be reached now is still better than nothing.
    const chain = [
      ...chooseAuto(all.filter((models) => !isAway(models)), { wanted, needs }),
      ...chooseAuto(all.filter(isAway), { wanted, needs }),
    ];
    const [model, ...fallbacks] = chain.slice(0, MAX_CHAIN);
    if (model === undefined) throw noSuitableModel(needs, this.#models(query), query.provider);
    const why = whyChosen(model, { query, wanted, away });
    return { requested, model, fallbacks, why, preferredClass: wanted, sample };
  }

  /** The model `requested` names; when nobody knows it, the providers are asked for their lists once more. */
  async #find(requested: string, query: RouteQuery): Promise<ModelInfo | undefined> {
    const known = findModel(this.#models(query), requested);
    if (known !== undefined || performance.now() - this.#refreshedAtMs < RELIST_AFTER_MS) return known;
    await this.#listOnce(Infinity, { again: true });
    return findModel(this.#models(query), requested);
  }

  /** Has the lists asked for in the background, once, and waits for them for a while. */
  async #listOnce(waitMs: number, { again = false } = {}): Promise<void> {
    if (this.#refreshedAtMs > -Infinity && !again) return;
    this.#refresh ??= this.refresh().finally(() => this.#refresh = undefined);
    if (waitMs === Infinity) return await this.#refresh;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => timer = setTimeout(resolve, waitMs));
    await Promise.race([this.#refresh, timeout]);
    clearTimeout(timer);
  }

  async #discover(signal: AbortSignal): Promise<void> {
    this.#found = await this.#options.discover?.(signal).catch(() => []) ?? [];
  }
}

/** Whether a query that asks for one provider may use the provider or kind `name`. */
function isOpen({ provider }: RouteQuery, name: string): boolean {
  return provider === undefined || provider === name;
}

/** The class of model that serves `query` best. */
function wantedBy({ class: said, tool }: RouteQuery): ModelClass {
  return said ?? classForTool(tool);
}

/** Why `auto` chose `model`, in a sentence. */
function whyChosen(
  model: ModelInfo,
  { query, wanted, away }: { query: RouteQuery; wanted: ModelClass; away: readonly ProviderStatus[] },
): string {
  const { tool, needs = {}, provider } = query;
  const which = provider === undefined ? "" : ` of ${provider}`;
  const best = `${tool} wants a ${wanted} model${describeNeeds(needs)}, and ${model.provider}/${model.name}`;
  const found = model.class === wanted ? "is the first such" : `(${model.class}) is the nearest there is`;
  const others = away.filter(({ name }) => name !== model.provider).map(({ name, reason }) =>
    `${name} (${reason})`
  );
  return `${best} ${found}${which}${others.length === 0 ? "" : `; passed over: ${others.join(", ")}`}`;
}

/** What `request` needs of its model. */
async function needsOf({ messages, thinkingMode, webSearch, tools }: ChatRequest): Promise<ModelNeeds> {
  const parts = messages.flatMap(({ content }) =>
    typeof content === "string" ? [{ type: "text" as const, text: content }] : content
  );
  const images = parts.filter((part) => part.type === "image").length;
  const text = parts.map((part) => part.type === "text" ? part.text : "").join("\n");
  return {
    images: images > 0,
    thinking: thinkingMode,
    webSearch,
    tools: (tools?.length ?? 0) > 0,
    inputTokens: await estimateTokens(text) + images * IMAGE_TOKENS,
  };
}
