import { isDeepStrictEqual } from "node:util";
import { registerSecret } from "../base/log.ts";
import { MINUTE_MS } from "../base/units.ts";
import { ANTHROPIC_API } from "./anthropic/anthropic_api.ts";
import { type ModelEntry, SHIPPED_MODELS } from "./catalogue/catalogue.ts";
import { azureAddress } from "./azure/azure_address.ts";
import { azureApi, deploymentEntry } from "./azure/azure_api.ts";
import { CUSTOM, CUSTOM_RESPONSES } from "./dialect/custom.ts";
import { GLM } from "./dialect/glm.ts";
import { KIMI } from "./dialect/kimi.ts";
import { OPENAI, OPENAI_RESPONSES } from "./dialect/openai.ts";
import { OPENROUTER } from "./dialect/openrouter.ts";
import { GEMINI_API } from "./gemini/gemini_api.ts";
import { KimiFiles } from "./kimi/kimi_files.ts";
import { findOllama, listOllama, ollamaOrigin } from "./local/ollama.ts";
import { ApiProvider } from "./api/api_provider.ts";
import { type Admit, ProviderEndpoint } from "./api/endpoint.ts";
import { ModelList } from "./api/model_list.ts";
import type { BreakerOptions } from "./api/provider_breaker.ts";
import { toKey } from "./api/provider_site.ts";
import type { ProviderApi } from "./api/provider_api.ts";
import type { RetryPolicy } from "./api/retry.ts";
import { chatCompletionsApi } from "./openai/chat_completions.ts";
import { openAiApis } from "./responses/responses_api.ts";
import { xaiApi } from "./responses/xai_api.ts";
import type { Provider, TextCache } from "./provider.ts";
import type { ProviderName } from "./provider_kinds.ts";

/** The configuration of one provider. */
export interface ProviderSetup {
  kind: Exclude<ProviderName, "client">;
  /** Defaults to the kind. Custom entries have their own names. */
  name?: string;
  /** Omitted for servers that need none. */
  apiKey?: string;
  /** The URL up to, and without, the paths of the API; defaults to the public API of the kind. Azure: any of a resource. */
  baseUrl?: string;
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>>;
  /** How long the provider may send nothing before the request times out. */
  silenceMs?: number;
  /** Azure: the dated version of the API; without one its v1 API is used. */
  apiVersion?: string;
  /** Azure: the command line that prints an Entra token where there is no key. */
  tokenCommand?: string;
  /** Models of a server that does not list them; deployments of Azure, as `deployment=model`. */
  models?: readonly string[];
}

export interface ProviderSetOptions {
  /** In the order in which `auto` prefers them. */
  setups: readonly ProviderSetup[];
  /** The `OLLAMA_HOST` to probe for an Ollama; empty for its default address. Omitted: no probe. */
  ollamaHost?: string;
  /** Overrides of the shipped catalogue, by model name. */
  models?: readonly ModelEntry[];
  /** Acquires a slot of a provider for the duration of one request. */
  admit?: Admit;
  /** Caches the text Kimi extracts from files. */
  fileTexts?: TextCache;
  retry?: Partial<RetryPolicy>;
  breaker?: Partial<BreakerOptions>;
}

/** The part of {@linkcode ProviderSetOptions} that may change at run time. */
export type ProviderSetUpdate = Pick<ProviderSetOptions, "setups" | "models">;

interface ProviderDefaults {
  api: ProviderApi;
  baseUrl: string;
  /** OpenAI sends nothing while a model reasons, as do some models of others; a local server while it reads. */
  silenceMs: number;
}

const DEFAULTS: Readonly<Record<ProviderSetup["kind"], ProviderDefaults>> = {
  kimi: { api: chatCompletionsApi(KIMI), baseUrl: "https://api.moonshot.ai/v1", silenceMs: 5 * MINUTE_MS },
  glm: { api: chatCompletionsApi(GLM), baseUrl: "https://api.z.ai/api/paas/v4", silenceMs: 5 * MINUTE_MS },
  openrouter: {
    api: chatCompletionsApi(OPENROUTER),
    baseUrl: "https://openrouter.ai/api/v1",
    silenceMs: 5 * MINUTE_MS,
  },
  openai: {
    api: openAiApis(OPENAI, OPENAI_RESPONSES),
    baseUrl: "https://api.openai.com/v1",
    silenceMs: 5 * MINUTE_MS,
  },
  azure: { api: azureApi(), baseUrl: "", silenceMs: 5 * MINUTE_MS },
  xai: { api: xaiApi(), baseUrl: "https://api.x.ai/v1", silenceMs: 5 * MINUTE_MS },
  gemini: {
    api: GEMINI_API,
    baseUrl: "https://generativelanguage.googleapis.com/v1beta",
    silenceMs: 5 * MINUTE_MS,
  },
  anthropic: { api: ANTHROPIC_API, baseUrl: "https://api.anthropic.com", silenceMs: 5 * MINUTE_MS },
  custom: { api: openAiApis(CUSTOM, CUSTOM_RESPONSES), baseUrl: "", silenceMs: 10 * MINUTE_MS },
};

const OLLAMA = "ollama";

/** The providers of the current configuration. */
export class ProviderSet {
  #options: ProviderSetOptions;
  #configured: { setup: ProviderSetup; provider: ApiProvider }[];
  #ollama: ApiProvider | undefined;

  constructor(options: ProviderSetOptions) {
    this.#options = options;
    this.#configured = options.setups.map((setup) => ({ setup, provider: createProvider(setup, options) }));
  }

  get providers(): ApiProvider[] {
    return this.#configured.map(({ provider }) => provider);
  }

  /** Replaces the configuration. A provider with an unchanged setup keeps its state (model list, circuit breaker). */
  update(update: ProviderSetUpdate): void {
    const options = this.#options = { ...this.#options, ...update };
    this.#configured = options.setups.map((setup) => {
      const unchanged = this.#configured.find((entry) => isDeepStrictEqual(entry.setup, setup));
      if (unchanged === undefined) return { setup, provider: createProvider(setup, options) };
      unchanged.provider.override(overridesForSetup(setup, options));
      return unchanged;
    });
    this.#ollama?.override(mergeByName(overridesOf(OLLAMA, options)));
  }

  /** Probes for a local Ollama. The same provider is returned each time, so that it keeps its state. */
  async discover(signal: AbortSignal): Promise<Provider[]> {
    const { ollamaHost } = this.#options;
    const isConfigured = this.#configured.some(({ provider }) => provider.name === OLLAMA);
    if (ollamaHost === undefined || isConfigured) return [];
    const origin = ollamaOrigin(ollamaHost);
    if (!await findOllama(origin, signal)) return [];
    if (this.#ollama === undefined) {
      this.#ollama = createOllama(origin, this.#options);
      await this.#ollama.refresh(signal);
    }
    return [this.#ollama];
  }
}

function createProvider(setup: ProviderSetup, options: ProviderSetOptions): ApiProvider {
  const { kind, name = kind, headers } = setup;
  const apiKey = toKey(setup.apiKey ?? "");
  registerSecret(apiKey);
  // A password in the URL, which errors show.
  registerSecret(URL.parse(setup.baseUrl ?? "")?.password ?? "");
  const { api, baseUrl, silenceMs } = DEFAULTS[kind];
  const address = kind === "azure"
    ? azureAddress({ ...setup, apiKey })
    : { apiKey, baseUrl: setup.baseUrl || baseUrl };
  const endpoint = createEndpoint({
    name,
    kind,
    ...address,
    headers,
    silenceMs: setup.silenceMs ?? silenceMs,
  }, options);
  const modelList = new ModelList({
    provider: name,
    known: SHIPPED_MODELS.filter(({ provider }) => provider === name),
    overrides: overridesForSetup(setup, options),
    describe: api.describe,
  });
  const files = kind === "kimi"
    ? new KimiFiles({ endpoint, cache: options.fileTexts, admit: options.admit })
    : undefined;
  return new ApiProvider({ kind, endpoint, api, modelList, files });
}

function createOllama(origin: string, options: ProviderSetOptions): ApiProvider {
  const { api, silenceMs } = DEFAULTS.custom;
  const address = { name: OLLAMA, kind: "custom" as const, apiKey: "", baseUrl: `${origin}/v1` };
  const endpoint = createEndpoint({ ...address, silenceMs }, options);
  const overrides = mergeByName(overridesOf(OLLAMA, options));
  const modelList = new ModelList({ provider: OLLAMA, known: [], overrides, describe: api.describe });
  return new ApiProvider({
    kind: "custom",
    endpoint,
    api,
    modelList,
    list: (signal) => listOllama(origin, signal),
  });
}

function createEndpoint(
  address: Omit<ConstructorParameters<typeof ProviderEndpoint>[0], "admit" | "retry" | "breaker">,
  { admit, retry, breaker }: ProviderSetOptions,
): ProviderEndpoint {
  return new ProviderEndpoint({ ...address, admit, retry, breaker });
}

/** The user's overrides for the models of `setup`, including the models the setup itself names. */
function overridesForSetup(
  { kind, name = kind, models = [] }: ProviderSetup,
  options: ProviderSetOptions,
): ModelEntry[] {
  const named = models.map((model): ModelEntry =>
    kind === "azure" ? deploymentEntry(model) : { name: model, provider: name, auto: true }
  );
  return mergeByName([...named, ...overridesOf(name, options)]);
}

/** The user's overrides that apply to the provider `name`: its own, and those without a provider. */
function overridesOf(name: string, { models = [] }: ProviderSetOptions): ModelEntry[] {
  return models.filter(({ provider }) => provider === undefined || provider === name);
}

/** Merges entries of the same name; later entries win. */
function mergeByName(entries: readonly ModelEntry[]): ModelEntry[] {
  const merged = new Map<string, ModelEntry>();
  for (const entry of entries) merged.set(entry.name, { ...merged.get(entry.name), ...entry });
  return [...merged.values()];
}
