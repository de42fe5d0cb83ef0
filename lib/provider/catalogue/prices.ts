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
  /** The date from which they hold, if that was announced. */
  from?: string;
  models: readonly (Omit<ModelPrice, "source"> & { provider: string; name: string })[];
}

/** The price lists of these providers apply to the same models elsewhere. */
const SAME_PRICES: Readonly<Record<string, string>> = { azure: "openai" };

/** The date in the name of a snapshot: `gpt-5-2025-08-07`, `claude-opus-4-5-20251101`. */
const SNAPSHOT_DATE = /-(\d{4}-\d{2}-\d{2}|\d{8})$/;

/** The prices of each model by the dates from which they hold, latest last. */
const PRICES = new Map<string, { from: string; price: ModelPrice }[]>();

for (const { asOf, from = "", models } of (data as { lists: PriceList[] }).lists) {
  for (const { provider, name, ...price } of models) {
    const dated = PRICES.get(`${provider}/${name}`) ?? [];
    const source = `list price of ${from === "" ? asOf : from}`;
    PRICES.set(`${provider}/${name}`, [...dated, { from, price: { ...price, source } }]);
  }
}

/**
 * Returns the list price of a model; undefined if it is not known. A dated snapshot has the price of its model.
 *
 * @param today as `2026-08-19`
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
export function listPrice(
  provider: string,
  name: string,
  today = new Date().toISOString().slice(0, 10),
): ModelPrice | undefined {
  const lister = ownEntry(SAME_PRICES, provider) ?? provider;
  const dated = PRICES.get(`${lister}/${name}`) ?? PRICES.get(`${lister}/${name.replace(SNAPSHOT_DATE, "")}`);
  return dated?.findLast(({ from }) => from <= today)?.price;
}
