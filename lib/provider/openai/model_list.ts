import type { JsonObject } from "../../base/json.ts";
import { mergeEntries, type ModelEntry, toModel } from "../catalogue/catalogue.ts";
import type { Dialect } from "../dialect/dialect.ts";
import type { ModelInfo } from "../provider.ts";

interface ModelListOptions {
  provider: string;
  /** What the shipped catalogue knows of the provider's models, best first. */
  known: readonly ModelEntry[];
  /** What the user says: laid over all else, and there whether the provider lists it or not. */
  overrides: readonly ModelEntry[];
  describe: Dialect["describe"];
}

/** The models of one provider: the catalogue, the user's word, and the provider's own list once it was asked for. */
export class ModelList {
  readonly #options: ModelListOptions;
  /** What the catalogue and the provider say. */
  #entries: readonly ModelEntry[];
  #overrides: readonly ModelEntry[];
  #models: readonly ModelInfo[];

  constructor(options: ModelListOptions) {
    this.#options = options;
    this.#entries = options.known;
    this.#overrides = options.overrides;
    this.#models = this.#put();
  }

  get models(): readonly ModelInfo[] {
    return this.#models;
  }

  /** Takes another word of the user's in place of the one before. */
  override(overrides: readonly ModelEntry[]): void {
    this.#overrides = overrides;
    this.#models = this.#put();
  }

  /** Takes what `/models` lists: only that is there, and what nobody described is taken for the least. */
  list(listed: readonly JsonObject[]): void {
    const entries = new Map<string, ModelEntry>();
    for (const one of listed) {
      const said = typeof one.id === "string" ? this.#options.describe(one) : undefined;
      if (said !== undefined) entries.set(one.id as string, { ...said, name: one.id as string });
    }
    const known = this.#options.known.filter(({ name }) => entries.has(name)).map((entry) => {
      const { contextTokens, ...said } = entries.get(entry.name)!;
      entries.delete(entry.name);
      // The catalogue knows more of what a model can do, the provider how large a window this account has.
      const merged = mergeEntries({ ...said, name: entry.name }, entry);
      return mergeEntries(merged, { contextTokens });
    });
    this.#entries = [...known, ...entries.values()];
    this.#models = this.#put();
  }

  #put(): ModelInfo[] {
    const { provider } = this.#options;
    const all = new Map(this.#entries.map((entry) => [entry.name, entry]));
    for (const over of this.#overrides) {
      const entry = all.get(over.name);
      // Without a provider, an override is for whoever has such a model.
      if (entry === undefined && over.provider === undefined) continue;
      all.set(over.name, mergeEntries(entry ?? { name: over.name, auto: true }, over));
    }
    return [...all.values()].map((entry) => toModel(entry, provider));
  }
}
