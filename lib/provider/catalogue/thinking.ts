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
