import { type JsonObject, textOf } from "../../base/json.ts";
import { mergeEntries, type ModelEntry, toModel } from "../catalogue/catalogue.ts";
import type { ModelInfo } from "../provider.ts";
import type { ProviderApi } from "./provider_api.ts";

interface ModelListOptions {
  provider: string;
  /** The provider's models in the shipped catalogue, best first. */
  known: readonly ModelEntry[];
  /** The user's entries: they take precedence, and exist whether the provider lists them or not. */
  overrides: readonly ModelEntry[];
  describe: ProviderApi["describe"];
}

/**
 * The models of one provider, merged from the catalogue, the provider's own list once fetched, and the user's
 * overrides.
 */
export class ModelList {
  readonly #options: ModelListOptions;
  /** From the catalogue and the provider, without overrides. */
  #entries: readonly ModelEntry[];
  #overrides: readonly ModelEntry[];
  #isListed = false;
  #models: readonly ModelInfo[];

  constructor(options: ModelListOptions) {
    this.#options = options;
    this.#entries = options.known;
    this.#overrides = options.overrides;
    this.#models = this.#merge();
  }

  get models(): readonly ModelInfo[] {
    return this.#models;
  }

  /** Whether the provider's own list has been taken over. */
  get isListed(): boolean {
    return this.#isListed;
  }

  /** Replaces the user's overrides. */
  override(overrides: readonly ModelEntry[]): void {
    this.#overrides = overrides;
    this.#models = this.#merge();
  }

  /** Replaces the list with the entries of `/models`. Models without any description get the defaults. */
  setListed(listed: readonly JsonObject[]): void {
    this.#isListed = true;
    const entries = new Map<string, ModelEntry>();
    for (const one of listed) {
      const name = textOf(one.id);
      const described = name === undefined ? undefined : this.#options.describe(one);
      if (name !== undefined && described !== undefined) entries.set(name, { ...described, name });
    }
    const known = this.#options.known.filter(({ name }) => entries.has(name)).map((entry) => {
      const { contextTokens, ...listed } = entries.get(entry.name)!;
      entries.delete(entry.name);
      // The catalogue has the better description of abilities, the provider the context window of this account.
      const merged = mergeEntries({ ...listed, name: entry.name }, entry);
      return mergeEntries(merged, { contextTokens });
    });
    this.#entries = [...known, ...entries.values()];
    this.#models = this.#merge();
  }

  #merge(): ModelInfo[] {
    const { provider } = this.#options;
    const all = new Map(this.#entries.map((entry) => [entry.name, entry]));
    for (const over of this.#overrides) {
      const entry = all.get(over.name);
      // An override without a provider applies only to models that exist.
      if (entry === undefined && over.provider === undefined) continue;
      all.set(over.name, mergeEntries(entry ?? { name: over.name, auto: true }, over));
    }
    return [...all.values()].map((entry) => toModel(entry, provider));
  }
}
