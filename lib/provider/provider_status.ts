import type { ProviderName } from "./provider_kinds.ts";

/** What a model or a provider can do beside chat. */
export interface Abilities {
  files: boolean;
  search: boolean;
  thinking: boolean;
  images: boolean;
}

/** A model a provider offers. */
export interface ModelStatus {
  name: string;
  aliases: readonly string[];
  contextTokens: number;
  abilities: Abilities;
}

/** A provider that is set up, and how it fares. */
export interface ProviderStatus {
  name: string;
  /** Left out: the kind of that name. Custom entries and Ollama are of the kind `custom`. */
  kind?: ProviderName;
  available: boolean;
  /** Why it is not available. */
  reason?: string;
  /** How much longer it is left alone because it kept failing, in milliseconds; undefined when it is not. */
  circuitOpenForMs?: number;
  abilities: Abilities;
  models: readonly ModelStatus[];
}
