import { ownEntry } from "../../base/json.ts";
import data from "./prices.json" with { type: "json" };

/** Prices in US dollars per million tokens. */
interface TokenRates {
  input: number;
  output: number;
  /** Input read from the provider's cache; defaults to `input`. */
  cachedInput?: number;
}

/** The prices of a model. */
export interface ModelPrice extends TokenRates {
  /** The rates of a whole request with more than `above` tokens of input. */
  long?: TokenRates & { above: number };
  /** Where the prices come from, for people: `list price of 2026-08-19`. */
  source: string;
}

interface PriceList {
  source: string;
  /** The date the prices were read, as `2026-08-19`. */
  asOf: string;
  models: readonly (Omit<ModelPrice, "source"> & { provider: string; name: string })[];
}

/** The price lists of these providers apply to the same models elsewhere. */
const SAME_PRICES: Readonly<Record<string, string>> = { azure: "openai" };

/** The date in the name of a snapshot: `gpt-5-2025-08-07`, `claude-opus-4-5-20251101`. */
const SNAPSHOT_DATE = /-(\d{4}-\d{2}-\d{2}|\d{8})$/;

const PRICES: ReadonlyMap<string, ModelPrice> = new Map(
  (data as { lists: PriceList[] }).lists.flatMap(({ asOf, models }) =>
    models.map(({ provider, name, ...price }) =>
      [`${provider}/${name}`, { ...price, source: `list price of ${asOf}` }] as const
    )
  ),
);

/**
 * Returns the list price of a model; undefined if it is not known. A dated snapshot has the price of its model.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { listPrice } from "./prices.ts";
 *
 * assertEquals(listPrice("openai", "gpt-5-2025-08-07"), listPrice("openai", "gpt-5"));
 * assertEquals(listPrice("openai", "gpt-0"), undefined);
 * ```
 */
export function listPrice(provider: string, name: string): ModelPrice | undefined {
  const lister = ownEntry(SAME_PRICES, provider) ?? provider;
  return PRICES.get(`${lister}/${name}`) ?? PRICES.get(`${lister}/${name.replace(SNAPSHOT_DATE, "")}`);
}
