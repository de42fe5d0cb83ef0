import { isDeepStrictEqual } from "node:util";
import { registerSecret } from "../base/log.ts";
import { trimEndOf } from "../base/text.ts";
import { MINUTE_MS } from "../base/units.ts";
import { type ModelEntry, SHIPPED_MODELS } from "./catalogue/catalogue.ts";
import { CUSTOM } from "./dialect/custom.ts";
import type { Dialect } from "./dialect/dialect.ts";
import { GLM } from "./dialect/glm.ts";
import { KIMI } from "./dialect/kimi.ts";
import { OPENAI } from "./dialect/openai.ts";
import { OPENROUTER } from "./dialect/openrouter.ts";
import { KimiFiles } from "./kimi/files.ts";
import type { ProviderName } from "./kinds.ts";
import { findOllama, listOllama, ollamaOrigin } from "./local/ollama.ts";
import { FallbackRouter } from "./model_router.ts";
import { ApiProvider } from "./openai/api_provider.ts";
import type { BreakerOptions } from "./openai/breaker.ts";
import { type Admit, ProviderEndpoint } from "./openai/endpoint.ts";
import type { RetryOptions } from "./openai/retry.ts";
import { Roster } from "./openai/roster.ts";
import type { Provider, TextCache } from "./provider.ts";
import type { ModelRouter } from "./routing.ts";

export type { ModelEntry } from "./catalogue/catalogue.ts";
export type { Admit } from "./openai/endpoint.ts";

/** One provider to set up. */
export interface ProviderSetup {
  kind: Exclude<ProviderName, "client">;
  /** Left out: the kind. Custom entries have names of their own. */
  name?: string;
  /** Left out for servers that want none. */
  apiKey?: string;
  /** Up to where `/chat/completions` begins; left out: where the kind is at home. */
  baseUrl?: string;
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>>;
  /** How long it may send nothing at all before it is given up. */
  silenceMs?: number;
  /** Models it has, for a server that lists none. */
  models?: readonly string[];
}

export interface ProvidersOptions {
  /** In the order in which `auto` prefers them. */
  setups: readonly ProviderSetup[];
  /** Looks for an Ollama at this `OLLAMA_HOST`; empty: where it is by default. Left out: does not look. */
  ollamaHost?: string;
  /** Laid over the shipped catalogue, by name. */
  models?: readonly ModelEntry[];
  defaultModel?: string;
  /** Takes a slot of a provider for the time of one request. */
  admit?: Admit;
  /** Keeps what Kimi read in files. */
  fileTexts?: TextCache;
  retry?: Partial<RetryOptions>;
  breaker?: Partial<BreakerOptions>;
}

interface ProviderRecipe {
  dialect: Dialect;
  baseUrl: string;
  /** Kimi and GLM stream their thoughts; OpenAI is silent while its models think, a local server while it reads. */
  silenceMs: number;
}

const KINDS: Readonly<Record<ProviderSetup["kind"], ProviderRecipe>> = {
  kimi: { dialect: KIMI, baseUrl: "https://api.moonshot.ai/v1", silenceMs: 2 * MINUTE_MS },
  glm: { dialect: GLM, baseUrl: "https://api.z.ai/api/paas/v4", silenceMs: 2 * MINUTE_MS },
  openrouter: { dialect: OPENROUTER, baseUrl: "https://openrouter.ai/api/v1", silenceMs: 5 * MINUTE_MS },
  openai: { dialect: OPENAI, baseUrl: "https://api.openai.com/v1", silenceMs: 5 * MINUTE_MS },
  custom: { dialect: CUSTOM, baseUrl: "", silenceMs: 10 * MINUTE_MS },
};

const OLLAMA = "ollama";

/** Providers whose configuration may change while they run. */
export interface Providers extends ModelRouter {
  /**
   * Takes another configuration. A provider whose setup is as it was keeps its state; a call under way ends with the
   * provider it began with.
   */
  configure(change: ProvidersChange): void;
}

/** What may change of {@linkcode ProvidersOptions}. */
type ProvidersChange = Pick<ProvidersOptions, "setups" | "models">;

/**
 * Sets up `options.setups` and chooses among them. Nothing is asked of a provider until it is needed, except that a
 * local Ollama is looked for at once.
 */
export function createProviders(options: ProvidersOptions): Providers {
  return new ConfiguredRouter(new Shelf(options));
}

class ConfiguredRouter extends FallbackRouter implements Providers {
  readonly #shelf: Shelf;

  constructor(shelf: Shelf) {
    super({
      providers: () => shelf.providers,
      defaultModel: shelf.options.defaultModel,
      discover: (signal) => shelf.discover(signal),
    });
    this.#shelf = shelf;
  }

  configure(change: ProvidersChange): void {
    this.#shelf.configure(change);
    this.providersChanged();
  }
}

/** The providers as the configuration has them now. */
class Shelf {
  options: ProvidersOptions;
  #set: { setup: ProviderSetup; provider: ApiProvider }[];
  #ollama: ApiProvider | undefined;

  constructor(options: ProvidersOptions) {
    this.options = options;
    this.#set = options.setups.map((setup) => ({ setup, provider: createProvider(setup, options) }));
  }

  get providers(): ApiProvider[] {
    return this.#set.map(({ provider }) => provider);
  }

  configure(change: ProvidersChange): void {
    const options = this.options = { ...this.options, ...change };
    this.#set = options.setups.map((setup) => {
      const same = this.#set.find((one) => isDeepStrictEqual(one.setup, setup));
      if (same === undefined) return { setup, provider: createProvider(setup, options) };
      same.provider.override(overridesFor(setup, options));
      return same;
    });
    this.#ollama?.override(mergeByName(overridesOf(OLLAMA, options)));
  }

  /** Finds Ollama by itself; it keeps its state for as long as it is there. */
  async discover(signal: AbortSignal): Promise<Provider[]> {
    const { ollamaHost } = this.options;
    const isTaken = this.#set.some(({ provider }) => provider.name === OLLAMA);
    if (ollamaHost === undefined || isTaken) return [];
    const origin = ollamaOrigin(ollamaHost);
    if (!await findOllama(origin, signal)) return [];
    if (this.#ollama === undefined) {
      this.#ollama = createOllama(origin, this.options);
      await this.#ollama.refresh(signal);
    }
    return [this.#ollama];
  }
}

function createProvider(setup: ProviderSetup, options: ProvidersOptions): ApiProvider {
  const { kind, name = kind, apiKey = "" } = setup;
  registerSecret(apiKey);
  const { dialect, ...home } = KINDS[kind];
  const endpoint = new ProviderEndpoint({
    name,
    apiKey,
    baseUrl: trimEndOf(setup.baseUrl || home.baseUrl, "/"),
    headers: setup.headers,
    silenceMs: setup.silenceMs ?? home.silenceMs,
    admit: options.admit,
    retry: options.retry,
    breaker: options.breaker,
  });
  const roster = new Roster({
    provider: name,
    known: SHIPPED_MODELS.filter(({ provider }) => provider === name),
    overrides: overridesFor(setup, options),
    describe: dialect.describe,
  });
  const files = kind === "kimi"
    ? new KimiFiles({ endpoint, cache: options.fileTexts, admit: options.admit })
    : undefined;
  return new ApiProvider({ kind, endpoint, dialect, roster, files });
}

/** What the user says of the models of `setup`, those it names itself included. */
function overridesFor(
  { kind, name = kind, models = [] }: ProviderSetup,
  options: ProvidersOptions,
): ModelEntry[] {
  const named = models.map((model): ModelEntry => ({ name: model, provider: name, auto: true }));
  return mergeByName([...named, ...overridesOf(name, options)]);
}

/** What the user says of the models of `name`, or of a model whoever has it. */
function overridesOf(name: string, { models = [] }: ProvidersOptions): ModelEntry[] {
  return models.filter(({ provider }) => provider === undefined || provider === name);
}

/** One entry for each name; of two, what the later says goes before. */
function mergeByName(entries: readonly ModelEntry[]): ModelEntry[] {
  const merged = new Map<string, ModelEntry>();
  for (const entry of entries) merged.set(entry.name, { ...merged.get(entry.name), ...entry });
  return [...merged.values()];
}

function createOllama(origin: string, options: ProvidersOptions): ApiProvider {
  const { dialect, silenceMs } = KINDS.custom;
  const { admit, retry, breaker } = options;
  const baseUrl = `${origin}/v1`;
  const endpoint = new ProviderEndpoint({
    name: OLLAMA,
    apiKey: "",
    baseUrl,
    silenceMs,
    admit,
    retry,
    breaker,
  });
  const overrides = mergeByName(overridesOf(OLLAMA, options));
  const roster = new Roster({ provider: OLLAMA, known: [], overrides, describe: dialect.describe });
  return new ApiProvider({
    kind: "custom",
    endpoint,
    dialect,
    roster,
    list: (signal) => listOllama(origin, signal),
  });
}
