import type { ModelPrice } from "./catalogue/prices.ts";
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
  /** Undefined if it is not known. */
  price?: ModelPrice;
}

/** What an answer cost. */
export interface Cost {
  usd: number;
  /** What it was computed from: `list price of 2026-08-19`, `models.json`, `the provider's bill`. */
  basis: string;
  /** Whether the tokens were estimated. */
  estimated?: boolean;
}

/** What requests have used. */
export interface Spending {
  inputTokens: number;
  outputTokens: number;
  /** In US dollars, of those with a known price; undefined if there are none. */
  usd?: number;
}

/** A configured provider and its health. */
export interface ProviderStatus {
  name: string;
  /** Defaults to the kind named `name`. Custom entries and Ollama are of the kind `custom`. */
  kind?: ProviderName;
  available: boolean;
  /** Why it is unavailable. */
  reason?: string;
  /** Models that failed several times in a row and are left alone for a while. */
  resting?: readonly string[];
  /** How much longer its circuit breaker stays open, in milliseconds; undefined while it is closed. */
  circuitOpenForMs?: number;
  abilities: Abilities;
  /** Those that may be asked. */
  models: readonly ModelStatus[];
  /** Whether they are those it lists itself; otherwise those that are known of it. */
  isListed?: boolean;
  /** Set where a variable says which of its models may be asked: how many may not, and which names it does not list. */
  restricted?: { by: string; hidden: number; unknown: readonly string[] };
  /** What it was used for today; undefined if nothing. */
  spentToday?: Spending;
  /** Set once most of a daily budget is used. */
  budgetWarning?: string;
}
