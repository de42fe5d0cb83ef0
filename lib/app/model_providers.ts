import { getLogger } from "@logtape/logtape";
import { holderOf, lendUntil } from "../admission/holders.ts";
import { Permits } from "../admission/permits.ts";
import { sessionIdOf } from "../call/owner.ts";
import { type ModelsInForce, type ModelsWatch, watchModels } from "../config/models_watch.ts";
import type { StatePaths } from "../config/paths.ts";
import { formatFault } from "../config/servers.ts";
import type { SecretReader } from "../config/secrets.ts";
import type { Settings } from "../config/settings.ts";
import type { TextCache } from "../provider/provider.ts";
import {
  type Admit,
  type ConfigurableRouter,
  createModelRouter,
  type ProviderSetup,
} from "../provider/configured_router.ts";
import type { SpendingLedger } from "../provider/spending.ts";
import type { ModelRouter } from "../provider/model_router.ts";
import { modelChoiceOf } from "./model_choice.ts";

const log = getLogger(["exai", "config"]);

/** Characters of extracted files that are cached, so that the same file is not sent twice. */
const MAX_CACHED_CHARS = 32_000_000;

interface ConfiguredModelsOptions {
  onChange?: () => void;
  /** What the providers were used for; in memory by default. */
  ledger?: SpendingLedger;
  /** Gives the secrets that `models.json` names. */
  secrets?: SecretReader;
}

const NO_SLOT: Disposable = { [Symbol.dispose]() {} };

/** The providers and models of the settings and `models.json`, updated when the file changes. */
export class ConfiguredModels implements AsyncDisposable {
  readonly router: ModelRouter;
  #settings: Settings;
  readonly #onChange: () => void;
  readonly #providers: ConfigurableRouter;
  #watch: ModelsWatch | undefined;

  private constructor(settings: Settings, { onChange = () => {}, ledger }: ConfiguredModelsOptions) {
    this.#settings = settings;
    this.#onChange = onChange;
    this.router = this.#providers = createModelRouter({
      setups: setupsOf(settings),
      ollamaHost: settings.findLocal ? settings.ollamaHost : undefined,
      ...modelChoiceOf(settings),
      ledger,
      admit: admitBy(settings),
      fileTexts: new BoundedTexts(MAX_CACHED_CHARS),
    });
  }

  /**
   * Sets up what `settings` and the file at `paths.models` name. A fault in the file disables only the entry it is in;
   * `onChange` is called when the file was read again.
   */
  static async open(
    settings: Settings,
    paths: StatePaths,
    options: ConfiguredModelsOptions = {},
  ): Promise<ConfiguredModels> {
    const models = new ConfiguredModels(settings, options);
    const env = Deno.env.toObject();
    models.#watch = await watchModels(paths.models, (inForce) => models.#apply(inForce), {
      env,
      secrets: options.secrets,
      databaseDir: paths.home,
    });
    models.#apply(models.#watch.current);
    return models;
  }

  /** The settings in force. */
  get settings(): Settings {
    return this.#settings;
  }

  /** Takes over the keys and addresses of `settings`. */
  setSettings(settings: Settings): void {
    this.#settings = settings;
    if (this.#watch) this.#configure(this.#watch.current);
  }

  /** Faults of the file, each in a sentence. */
  faults(): string[] {
    return this.#watch?.current.faults.map(formatFault) ?? [];
  }

  /** Reads the file now. */
  async reload(): Promise<void> {
    await this.#watch?.reload();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
    this.#providers[Symbol.dispose]();
  }

  #apply(inForce: ModelsInForce): void {
    for (const fault of inForce.faults) log.error("{fault}", { fault: formatFault(fault) });
    this.#configure(inForce);
  }

  #configure({ providers, models }: ModelsInForce): void {
    const custom = providers.map((one): ProviderSetup => ({ kind: "custom", ...one }));
    this.#providers.configure(
      { setups: [...setupsOf(this.#settings), ...custom], models },
      modelChoiceOf(this.#settings),
    );
    this.#onChange();
  }
}

/** The providers with a key or an address, in the order in which `auto` prefers them. */
function setupsOf(settings: Settings): ProviderSetup[] {
  const { kimiUrl, kimiSilenceMs, glmUrl, glmSilenceMs, openaiUrl, openaiSilenceMs } = settings;
  const kimiKey = settings.kimiApiKey || settings.moonshotApiKey;
  const glmKey = settings.glmApiKey || settings.zhipuaiApiKey;
  const keyed: (ProviderSetup & { apiKey: string })[] = [
    { kind: "kimi", apiKey: kimiKey, baseUrl: kimiUrl, silenceMs: kimiSilenceMs },
    { kind: "glm", apiKey: glmKey, baseUrl: glmUrl, silenceMs: glmSilenceMs },
    { kind: "openai", apiKey: settings.openaiApiKey, baseUrl: openaiUrl, silenceMs: openaiSilenceMs },
    { kind: "xai", apiKey: settings.xaiApiKey, baseUrl: settings.xaiUrl, silenceMs: settings.xaiSilenceMs },
    {
      kind: "gemini",
      apiKey: settings.geminiApiKey || settings.googleApiKey,
      baseUrl: settings.geminiUrl,
      silenceMs: settings.geminiSilenceMs,
    },
    {
      kind: "anthropic",
      apiKey: settings.anthropicApiKey,
      baseUrl: settings.anthropicUrl,
      silenceMs: settings.anthropicSilenceMs,
    },
    {
      kind: "openrouter",
      apiKey: settings.openrouterApiKey,
      silenceMs: settings.openrouterSilenceMs,
      headers: attribution(settings),
    },
  ];
  const withKey: ProviderSetup[] = [...keyed.filter(({ apiKey }) => apiKey !== ""), ...azureSetups(settings)];
  const { customUrl, customApiKey, customModel, customSilenceMs } = settings;
  if (customUrl === "") return withKey;
  const models = customModel === "" ? undefined : [customModel];
  return [...withKey, {
    kind: "custom",
    baseUrl: customUrl,
    apiKey: customApiKey,
    silenceMs: customSilenceMs,
    models,
  }];
}

/** Azure has an address of its own for each resource, and may do without a key. */
function azureSetups(settings: Settings): ProviderSetup[] {
  const { azureEndpoint, azureApiKey, azureApiVersion, azureDeployments, azureTokenCommand } = settings;
  if (azureEndpoint === "") return [];
  return [{
    kind: "azure",
    baseUrl: azureEndpoint,
    apiKey: azureApiKey,
    apiVersion: azureApiVersion,
    models: azureDeployments,
    tokenCommand: azureTokenCommand,
    silenceMs: settings.azureSilenceMs,
  }];
}

/** The headers by which OpenRouter identifies an application (https://openrouter.ai/docs/app-attribution). */
function attribution({ openrouterReferer, openrouterTitle }: Settings): Record<string, string> {
  return {
    ...(openrouterReferer === "" ? {} : { "HTTP-Referer": openrouterReferer }),
    ...(openrouterTitle === "" ? {} : { "X-Title": openrouterTitle }),
  };
}

/** Limits the requests to the providers that have a limit; the others are bounded by the permits of the daemon. */
function admitBy({ kimiMaxInflight, glmMaxInflight, queueMax }: Settings): Admit {
  const permits = new Map(
    Object.entries({ kimi: kimiMaxInflight, glm: glmMaxInflight }).map(([provider, most]) => {
      return [provider, new Permits({ perKey: most, total: most, queueMax, holder: provider })];
    }),
  );
  return (provider, signal) => {
    const holder = holderOf(signal);
    // Fair by session, if the call is known.
    const slot = permits.get(provider)?.acquire(
      holder ? sessionIdOf(holder.call.caller) : provider,
      signal,
      holder?.call.trace,
    );
    return holder && slot instanceof Promise ? lendUntil(holder, slot) : slot ?? NO_SLOT;
  };
}

/** A least-recently-used cache of texts, bounded by their total length. */
class BoundedTexts implements TextCache {
  readonly #maxChars: number;
  readonly #texts = new Map<string, string>();
  #chars = 0;

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  get(key: string): string | undefined {
    const text = this.#texts.get(key);
    if (text === undefined) return undefined;
    // A Map keeps insertion order: the most recently used goes last.
    this.#texts.delete(key);
    this.#texts.set(key, text);
    return text;
  }

  set(key: string, text: string): void {
    if (text.length > this.#maxChars) return;
    this.#chars += text.length - (this.#texts.get(key)?.length ?? 0);
    this.#texts.delete(key);
    this.#texts.set(key, text);
    for (const [oldest, { length }] of this.#texts) {
      if (this.#chars <= this.#maxChars) return;
      this.#texts.delete(oldest);
      this.#chars -= length;
    }
  }
}
