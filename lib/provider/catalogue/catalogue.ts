import type { Effort, ModelAbilities, ModelClass, ModelInfo, ThinkingControl } from "../provider.ts";
import type { ModelStatus } from "../provider_status.ts";
import { listPrice, type ModelPrice } from "./prices.ts";
import data from "./models.json" with { type: "json" };

/** A model as `models.json` or the shipped catalogue describes it. Omitted fields keep their known or default value. */
export interface ModelEntry {
  name: string;
  /** The name of a provider. Omitted: every provider that has a model of that name. */
  provider?: string;
  aliases?: readonly string[];
  class?: ModelClass;
  contextTokens?: number;
  maxOutputTokens?: number;
  images?: boolean;
  tools?: boolean;
  search?: boolean;
  files?: boolean;
  jsonSchema?: boolean;
  /** Whether it reads PDF documents. */
  documents?: boolean;
  thinking?: ThinkingControl;
  /** The most tokens it may think, for a model whose thinking is set in tokens. */
  thinkingBudget?: number;
  temperature?: boolean;
  searchStopsThinking?: boolean;
  api?: ModelInfo["api"];
  background?: boolean;
  /** Whether `auto` may select it. */
  auto?: boolean;
  /** In US dollars per million tokens; defaults to the shipped list price. */
  price?: EntryPrice;
}

type EntryPrice = Omit<ModelPrice, "source"> & { source?: string };

/** An entry of the shipped catalogue, which names its provider. */
type ShippedEntry = ModelEntry & { provider: string };

/** Defaults for a model without a description: no ability that a provider might reject. */
const DEFAULTS: Required<Omit<ModelEntry, "name" | "provider" | "thinkingBudget" | "price">> = {
  aliases: [],
  class: "balanced",
  contextTokens: 32_768,
  maxOutputTokens: 8192,
  images: false,
  tools: false,
  search: false,
  files: false,
  jsonSchema: false,
  documents: false,
  thinking: "none",
  temperature: true,
  searchStopsThinking: false,
  api: "chat",
  background: false,
  auto: false,
};

/** The shipped catalogue, in the order in which `auto` prefers the models of a class. */
export const SHIPPED_MODELS: readonly ShippedEntry[] = (data as { models: ShippedEntry[] }).models;

/**
 * Merges the defined fields of `overrides` into `entry`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mergeEntries } from "./catalogue.ts";
 *
 * const merged = mergeEntries({ name: "acme-1", images: true }, { contextTokens: 8192, images: undefined });
 * assertEquals(merged, { name: "acme-1", images: true, contextTokens: 8192 });
 * ```
 */
export function mergeEntries(entry: ModelEntry, overrides: Omit<ModelEntry, "name">): ModelEntry {
  const defined = Object.entries(overrides).filter(([, value]) => value !== undefined);
  return { ...entry, ...Object.fromEntries(defined), name: entry.name };
}

/** Returns the model of `provider` that `entry` describes. */
export function toModel(entry: ModelEntry, provider: string): ModelInfo {
  const { aliases, class: modelClass, contextTokens, thinking, searchStopsThinking, api, auto, ...rest } =
    mergeEntries({ ...DEFAULTS, name: entry.name }, entry) as Required<ModelEntry>;
  return {
    name: entry.name,
    provider,
    aliases,
    class: modelClass,
    contextTokens,
    // The window holds the question as well as the answer.
    maxOutputTokens: Math.min(rest.maxOutputTokens, Math.ceil(contextTokens / 2)),
    abilities: abilitiesOf(rest, thinking),
    thinking,
    api,
    inBackground: rest.background || undefined,
    thinkingBudget: rest.thinkingBudget,
    takesTemperature: rest.temperature,
    searchStopsThinking: searchStopsThinking || undefined,
    auto,
    price: entry.price ? { source: "models.json", ...entry.price } : listPrice(provider, entry.name),
  };
}

function abilitiesOf(entry: Partial<ModelEntry>, thinking: ThinkingControl): ModelAbilities {
  return {
    files: entry.files === true,
    search: entry.search === true,
    thinking: typeof thinking === "string" ? thinking !== "none" : hasEffort(thinking),
    images: entry.images === true,
    tools: entry.tools === true,
    jsonSchema: entry.jsonSchema === true,
    documents: entry.documents === true || undefined,
  };
}

function hasEffort(efforts: readonly Effort[]): boolean {
  return efforts.length > 0;
}

/** Returns the part of `model` that status reports show. */
export function toModelStatus({ name, aliases, contextTokens, abilities, price }: ModelInfo): ModelStatus {
  const { files, search, thinking, images } = abilities;
  return {
    name,
    aliases,
    contextTokens,
    abilities: { files, search, thinking, images },
    ...(price === undefined ? {} : { price }),
  };
}
