import type { Usage } from "./provider.ts";
import type { Spending } from "./provider_status.ts";

/** What each provider has been used for on each day. One on disk survives restarts. */
export interface SpendingLedger {
  /** Adds to the spending of `provider` on `day`, a date as `2026-08-19`. */
  add(day: string, provider: string, spent: Spending): void;
  /** The spending of `day` by provider. */
  of(day: string): ReadonlyMap<string, Spending>;
}

export const NOTHING_SPENT: Spending = { inputTokens: 0, outputTokens: 0 };

/** The most tokens that an answer is believed to have used, whatever its provider says. */
const MAX_TOKENS = 1_000_000_000;

/** The spending for an answer whose cost is not known. A provider may report anything. */
export function tokensOf({ inputTokens, outputTokens }: Usage): Spending {
  const credible = (tokens: number) => Math.min(Math.max(0, tokens), MAX_TOKENS);
  return { inputTokens: credible(inputTokens), outputTokens: credible(outputTokens) };
}

/** The sum of two amounts; its `usd` is that of the part with a known price. */
export function addSpending(a: Spending, b: Spending): Spending {
  const isPriced = a.usd !== undefined || b.usd !== undefined;
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    ...(isPriced ? { usd: roundUsd((a.usd ?? 0) + (b.usd ?? 0)) } : {}),
  };
}

/** Rounds to a millionth of a dollar, so that sums of costs have no traces of binary fractions. */
export function roundUsd(usd: number): number {
  return Math.round(usd * 1_000_000) / 1_000_000;
}

/** A ledger in memory. */
export class MemoryLedger implements SpendingLedger {
  #day = "";
  #spent = new Map<string, Spending>();

  add(day: string, provider: string, spent: Spending): void {
    if (day !== this.#day) this.#spent = new Map();
    this.#day = day;
    this.#spent.set(provider, addSpending(this.#spent.get(provider) ?? NOTHING_SPENT, spent));
  }

  of(day: string): ReadonlyMap<string, Spending> {
    return day === this.#day ? this.#spent : new Map();
  }
}
