import type { ModelPrice } from "../catalogue/prices.ts";
import { faultKindOf } from "../api/provider_errors.ts";
import type {
  ChatOptions,
  ChatResult,
  FaultKind,
  Provider,
  ProviderRawRequest,
  ProviderRequest,
  RequestWatch,
  Usage,
} from "../provider.ts";
import type { Cost, Spending } from "../provider_status.ts";
import { roundUsd, tokensOf } from "../spending.ts";
import { costOf } from "./cost.ts";
import type { DailyBudgets } from "./daily_budgets.ts";

type BilledRequest = ProviderRequest | ProviderRawRequest;

interface BillingOptions extends Pick<ChatOptions, "signal" | "onSpent"> {
  provider: Provider;
  send: (watch: RequestWatch) => Promise<ChatResult>;
}

/** Faults after which the provider may bill the question all the same. */
const BILLED: readonly (FaultKind | undefined)[] = ["cut", "empty", "too_large", "timeout"];

/** About as many characters make a token. */
const CHARS_PER_TOKEN = 4;

/**
 * Sends `question` if the budgets of its provider allow it, and adds what it used to them.
 *
 * @throws {ExaiError} the provider error `budget`; what `send` throws
 */
export async function sendWithin(
  budgets: DailyBudgets,
  question: BilledRequest,
  { provider, send, signal, onSpent }: BillingOptions,
): Promise<ChatResult> {
  const { model } = question;
  const refusal = budgets.refusal(model, provider);
  if (refusal !== undefined) throw refusal;
  const asked = askedOnly(question);
  const add = (spent: Spending) => {
    budgets.add(provider.name, spent);
    onSpent?.(spent);
  };
  const turns: Usage[] = [];
  let isSent = false;
  let result: ChatResult;
  try {
    // Requests that are sent at once see each other.
    using _underWay = budgets.reserve(provider.name, asked);
    result = await send({ onSent: () => isSent = true, onTurn: (usage) => turns.push(usage) });
  } catch (thrown) {
    for (const usage of turns) add(spendingOf(usage, model.price));
    if ((isSent && signal.aborted) || BILLED.includes(faultKindOf(thrown))) add(asked);
    throw thrown;
  }
  const cost = billOf(result, model.price);
  add({ ...tokensOf(result.usage), usd: cost?.usd });
  return { ...result, cost, budgetWarning: budgets.warning(provider) };
}

/** What the provider charged, else what the price makes of the tokens. */
function billOf({ usage, chargedUsd }: ChatResult, price: ModelPrice | undefined): Cost | undefined {
  if (chargedUsd !== undefined) return { usd: roundUsd(chargedUsd), basis: "the provider's bill" };
  return price && costOf(usage, price);
}

function spendingOf(usage: Usage, price: ModelPrice | undefined): Spending {
  return { ...tokensOf(usage), usd: price && costOf(usage, price).usd };
}

/** The spending for a question without a usable answer. */
function askedOnly({ messages, model }: BilledRequest): Spending {
  const text = JSON.stringify(messages, (_key, value) => isDataUrl(value) ? "" : value);
  const usage = { inputTokens: Math.ceil(text.length / CHARS_PER_TOKEN), outputTokens: 0 };
  return spendingOf(usage, model.price);
}

function isDataUrl(value: unknown): boolean {
  return typeof value === "string" && value.startsWith("data:");
}
