import type { ProviderName } from "./provider_kinds.ts";

/** Abilities of a model or a provider besides chat. */
export interface Abilities {
  files: boolean;
  search: boolean;
  thinking: boolean;
  images: boolean;
}

/** A model of a provider, for status reports. */
export interface ModelStatus {
  name: string;
  aliases: readonly string[];
  contextTokens: number;
  abilities: Abilities;
}

/** A configured provider and its health. */
export interface ProviderStatus {
  name: string;
  /** Defaults to the kind named `name`. Custom entries and Ollama are of the kind `custom`. */
  kind?: ProviderName;
  available: boolean;
  /** Why it is unavailable. */
  reason?: string;
  /** How much longer its circuit breaker stays open, in milliseconds; undefined while it is closed. */
  circuitOpenForMs?: number;
  abilities: Abilities;
  models: readonly ModelStatus[];
}
