import type { Effort, ModelAbilities, ModelClass, ModelInfo, ThinkingControl } from "../provider.ts";
import data from "./models.json" with { type: "json" };

/** What a file may say of a model; what it leaves out stays as it is known, or is taken for the least. */
export interface ModelEntry {
  name: string;
  /** A name of `ProviderKind`, or of a custom entry; left out: every provider that has a model of that name. */
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
  thinking?: ThinkingControl;
  temperature?: boolean;
  searchStopsThinking?: boolean;
  /** Whether `auto` may choose it. */
  auto?: boolean;
}

/** An entry of the shipped catalogue, which names its provider. */
type ShippedEntry = ModelEntry & { provider: string };

/** What a model is taken for that nobody described: enough for a question, nothing that may be refused. */
const LEAST: Required<Omit<ModelEntry, "name" | "provider">> = {
  aliases: [],
  class: "balanced",
  contextTokens: 32_768,
  maxOutputTokens: 8192,
  images: false,
  tools: false,
  search: false,
  files: false,
  jsonSchema: false,
  thinking: "none",
  temperature: true,
  searchStopsThinking: false,
  auto: false,
};

/** The models that EXAI knows of its own, in the order in which `auto` prefers them within a class. */
export const SHIPPED_MODELS: readonly ShippedEntry[] = (data as { models: ShippedEntry[] }).models;

/** Lays `over` upon `entry`: what it leaves out stays. */
export function mergeEntries(entry: ModelEntry, over: Omit<ModelEntry, "name">): ModelEntry {
  const said = Object.entries(over).filter(([, value]) => value !== undefined);
  return { ...entry, ...Object.fromEntries(said), name: entry.name };
}

/** The model that `entry` describes, of the provider `provider`. */
export function toModel(entry: ModelEntry, provider: string): ModelInfo {
  const { aliases, class: modelClass, contextTokens, thinking, searchStopsThinking, auto, ...rest } =
    mergeEntries({ ...LEAST, name: entry.name }, entry) as Required<ModelEntry>;
  return {
    name: entry.name,
    provider,
    aliases,
    class: modelClass,
    contextTokens,
    // An answer cannot be longer than the window that must hold the question too.
    maxOutputTokens: Math.min(rest.maxOutputTokens, Math.ceil(contextTokens / 2)),
    abilities: abilitiesOf(rest, thinking),
    thinking,
    takesTemperature: rest.temperature,
    searchStopsThinking: searchStopsThinking || undefined,
    auto,
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
  };
}

function hasEffort(efforts: readonly Effort[]): boolean {
  return efforts.length > 0;
}
