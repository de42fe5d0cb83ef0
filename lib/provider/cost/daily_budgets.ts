import type { ExaiError } from "../../base/errors.ts";
import { formatUsd } from "../../base/units.ts";
import { providerError } from "../api/provider_errors.ts";
import type { ModelInfo } from "../provider.ts";
import {
  ALL_PROVIDERS,
  type DailyBudget,
  entryFor,
  entryIn,
  type ModelChoice,
  type ProviderId,
} from "../model_choice.ts";
import type { Spending } from "../provider_status.ts";
import { addSpending, NOTHING_SPENT, type SpendingLedger } from "../spending.ts";

interface DailyBudgetsOptions {
  choice: () => ModelChoice;
  ledger: SpendingLedger;
  /** The clock, in milliseconds since 1970. */
  now?: () => number;
}

/** The share of a budget from which on answers carry a warning. */
const WARN_SHARE = 0.8;

/** Where budgets are set, for messages. */
const SETTING = "EXAI_DAILY_BUDGET (dailyBudget in exai.json)";

/** A budget that applies to a provider, and what has been used of it. */
interface BudgetState {
  /** `openai`, or `all providers`. */
  whose: string;
  isOfAll: boolean;
  budget: DailyBudget;
  used: number;
}

/**
 * The daily budgets of the providers. A request is sent only while every budget that applies to it has something left; one
 * under way is finished. Days begin at midnight, local time.
 */
export class DailyBudgets {
  readonly #options: DailyBudgetsOptions;
  /** The questions that are under way, by provider. */
  readonly #underWay = new Map<string, Spending[]>();

  constructor(options: DailyBudgetsOptions) {
    this.#options = options;
  }

  /** The spending of `provider` today. */
  spentBy({ name }: ProviderId): Spending {
    return this.#today.get(name) ?? NOTHING_SPENT;
  }

  /** Adds what a request to a provider has used. */
  add(provider: string, spent: Spending): void {
    this.#options.ledger.add(this.#day, provider, spent);
  }

  /** Counts a question to `provider` as used until it is disposed of; then {@linkcode add} has counted what it used. */
  reserve(provider: string, question: Spending): Disposable {
    const all = this.#underWay.get(provider) ?? [];
    this.#underWay.set(provider, [...all, question]);
    return {
      [Symbol.dispose]: () => {
        const others = (this.#underWay.get(provider) ?? []).filter((one) => one !== question);
        this.#underWay.set(provider, others);
      },
    };
  }

  /** Why `provider` gets no more requests today, as the predicate of a sentence; undefined if it does. */
  whySpent(provider: ProviderId): string | undefined {
    const spent = this.#statesOf(provider).find(isUsedUp);
    return spent && `${describeUse(spent)}, which is its whole budget for today`;
  }

  /**
   * The error for a request to `model` that no budget covers; undefined if it may be sent. Where the budget is in money, a
   * model without a price is not covered, except on a server of the user's own.
   */
  refusal(model: ModelInfo, provider: ProviderId): ExaiError | undefined {
    const states = this.#statesOf(provider);
    const spent = states.find(isUsedUp);
    const info = { provider: provider.name, model: model.name };
    if (spent !== undefined) {
      return providerError(
        "budget",
        `${model.name} was not asked: ${
          describeUse(spent)
        }, which is the whole budget for today. Name a model of ` +
          `another provider, wait until midnight, or raise ${SETTING}`,
        info,
      );
    }
    if (provider.kind === "custom" || model.price !== undefined) return undefined;
    const money = states.find(({ budget }) => budget.unit === "usd");
    if (money === undefined) return undefined;
    return providerError(
      "budget",
      `${model.name} was not asked: the budget of ${money.whose} is in dollars, and its price is not known. Write it ` +
        `into models.json ({"name": "${model.name}", "price": {"input": 1, "output": 5}}, dollars per million ` +
        `tokens), or set ${SETTING} in tokens`,
      info,
    );
  }

  /** A warning once most of a budget of `provider` is used. */
  warning(provider: ProviderId): string | undefined {
    const states = this.#statesOf(provider).filter(({ used, budget }) => used >= budget.amount * WARN_SHARE);
    if (states.length === 0) return undefined;
    const told = (isSpent: boolean) =>
      states.filter((state) => isUsedUp(state) === isSpent).map(describeUse).join("; ");
    const [spent, nearly] = [told(true), told(false)];
    return [
      ...spent === "" ? [] : [`${spent}; no more is asked today`],
      ...nearly === "" ? [] : [`${nearly}; at the whole of it no more is asked today`],
    ].join(". ");
  }

  #statesOf(provider: ProviderId): BudgetState[] {
    const budgets = this.#options.choice().dailyBudgets;
    const [own, all] = [entryFor(budgets, provider), entryIn(budgets, ALL_PROVIDERS)];
    return [
      ...own === undefined ? [] : [toState(own, this.#usedBy(provider.name), provider.name)],
      ...all === undefined ? [] : [toState(all, this.#total)],
    ];
  }

  get #total(): Spending {
    const names = new Set([...this.#today.keys(), ...this.#underWay.keys()]);
    return Array.from(names, (name) => this.#usedBy(name)).reduce(addSpending, NOTHING_SPENT);
  }

  #usedBy(name: string): Spending {
    return [this.#today.get(name) ?? NOTHING_SPENT, ...this.#underWay.get(name) ?? []].reduce(addSpending);
  }

  get #today(): ReadonlyMap<string, Spending> {
    return this.#options.ledger.of(this.#day);
  }

  get #day(): string {
    const { now = Date.now } = this.#options;
    const date = new Date(now());
    const two = (part: number) => String(part).padStart(2, "0");
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  }
}

function isUsedUp({ used, budget }: BudgetState): boolean {
  return used >= budget.amount;
}

/** @param provider left out: all providers together */
function toState(budget: DailyBudget, spent: Spending, provider?: string): BudgetState {
  const used = budget.unit === "usd" ? spent.usd ?? 0 : spent.inputTokens + spent.outputTokens;
  return { whose: provider ?? "all providers", isOfAll: provider === undefined, budget, used };
}

function describeUse({ whose, isOfAll, budget: { unit, amount }, used }: BudgetState): string {
  const show = (value: number) => unit === "usd" ? formatUsd(value) : value.toLocaleString("en-US");
  const ofAmount = `${show(used)} of ${show(amount)}${unit === "usd" ? "" : " tokens"}`;
  return `${whose} ${isOfAll ? "have" : "has"} used ${ofAmount}`;
}
