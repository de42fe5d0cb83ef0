import type { ModelPrice } from "../catalogue/prices.ts";
import { roundUsd, tokensOf } from "../spending.ts";
import type { Usage } from "../provider.ts";
import type { Cost } from "../provider_status.ts";

const TOKENS = 1_000_000;

/**
 * Computes the cost of `usage`, whose input tokens include the cached ones and whose output tokens include reasoning.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { costOf } from "./cost.ts";
 *
 * const price = { input: 2, cachedInput: 0.5, output: 10, source: "models.json" };
 * const usage = { inputTokens: 1_000_000, cachedTokens: 600_000, outputTokens: 100_000 };
 * assertEquals(costOf(usage, price), { usd: 2.1, basis: "models.json" });
 * ```
 */
export function costOf(usage: Usage, price: ModelPrice): Cost {
  const { inputTokens, outputTokens } = tokensOf(usage);
  const { long } = price;
  const rates = long !== undefined && inputTokens > long.above ? long : price;
  const cached = Math.min(Math.max(0, usage.cachedTokens ?? 0), inputTokens);
  const usd = (inputTokens - cached) * rates.input + cached * (rates.cachedInput ?? rates.input) +
    outputTokens * rates.output;
  return {
    usd: roundUsd(usd / TOKENS),
    basis: price.source,
    ...(usage.estimated ? { estimated: true } : {}),
  };
}
