import { type Effort, EFFORTS, type ThinkingControl, type ThinkingMode } from "../provider.ts";

/**
 * Returns the effort nearest to `mode`; of two equally near, the higher.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nearestEffort } from "./thinking.ts";
 *
 * assertEquals(nearestEffort(["low", "high"], "medium"), "high");
 * assertEquals(nearestEffort(["none", "low"], "minimal"), "none");
 * ```
 */
export function nearestEffort(efforts: readonly Effort[], mode: ThinkingMode): Effort {
  const sorted = EFFORTS.filter((effort) => efforts.includes(effort));
  if (mode === "minimal") return sorted[0]!;
  const rank = (effort: Effort) => EFFORTS.indexOf(effort);
  const distance = (effort: Effort) => Math.abs(rank(effort) - rank(mode));
  return sorted.reduce((best, effort) => distance(effort) <= distance(best) ? effort : best);
}

/** What of the largest budget an effort may use. */
const BUDGET_SHARES: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 0.005,
  low: 0.08,
  medium: 0.33,
  high: 0.67,
  xhigh: 0.85,
  max: 1,
};

/**
 * The tokens a model may think at `effort`, of at most `most`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { budgetOf } from "./thinking.ts";
 *
 * assertEquals([budgetOf("none", 32_000), budgetOf("low", 32_000), budgetOf("max", 32_000)], [0, 2560, 32_000]);
 * ```
 */
export function budgetOf(effort: Effort, most: number): number {
  return Math.round(most * BUDGET_SHARES[effort]);
}

/** Whether a model with this `control` thinks at all under `mode`. */
export function isThinking(control: ThinkingControl, mode: ThinkingMode): boolean {
  switch (control) {
    case "none":
      return false;
    case "always":
      return true;
    case "switch":
      return mode !== "minimal";
    default:
      return nearestEffort(control, mode) !== "none";
  }
}

/** Whether thinking can be turned off. */
export function canStopThinking(control: ThinkingControl): boolean {
  return control === "none" || control === "switch" || (control !== "always" && control.includes("none"));
}
