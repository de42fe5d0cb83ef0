import type { Provider } from "./provider.ts";

/** What the requests of one day may use. */
export type DailyBudget = { unit: "usd"; amount: number } | { unit: "tokens"; amount: number };

/** Which models the user wants to be asked, and how much of them. */
export interface ModelChoice {
  /** The model for calls that name none; defaults to `auto`. */
  defaultModel?: string;
  /** The same for single tools, by their names. */
  toolModels?: Readonly<Record<string, string>>;
  /** The models that may be asked, by name or kind of their provider; all models of a provider without an entry. */
  allowedModels?: Readonly<Record<string, readonly string[]>>;
  /** What a day may cost, by name or kind of the provider; {@linkcode ALL_PROVIDERS} is for all together. */
  dailyBudgets?: Readonly<Record<string, DailyBudget>>;
}

/** The key of the daily budget of all providers together. */
export const ALL_PROVIDERS = "all";

/** What identifies a provider in the settings. */
export type ProviderId = Pick<Provider, "name" | "kind">;

/** The entry for a provider in a table by name or kind, in any case. */
export function entryFor<T>(
  table: Readonly<Record<string, T>> = {},
  { name, kind }: ProviderId,
): T | undefined {
  return entryIn(table, name) ?? entryIn(table, kind);
}

/** The entry of `table` under `name`, in any case. */
export function entryIn<T>(table: Readonly<Record<string, T>> = {}, name: string): T | undefined {
  return Object.entries(table).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

/** The model for calls of `tool` that name none, and the variable that says so. */
export function defaultModelFor(
  tool: string,
  { toolModels = {}, defaultModel = "" }: ModelChoice,
): { model: string; by?: string } {
  const own = entryIn(toolModels, tool);
  if (own !== undefined) return { model: own, by: "EXAI_TOOL_MODELS" };
  return defaultModel === "" ? { model: "auto" } : { model: defaultModel, by: "DEFAULT_MODEL" };
}
