import { type Effort, EFFORTS, type ThinkingControl, type ThinkingMode } from "../provider.ts";

/** Of the efforts a model knows, the one nearest to `mode`; between two as near, the greater. */
export function nearestEffort(efforts: readonly Effort[], mode: ThinkingMode): Effort {
  const sorted = EFFORTS.filter((effort) => efforts.includes(effort));
  if (mode === "minimal") return sorted[0]!;
  const rank = (effort: Effort) => EFFORTS.indexOf(effort);
  const distance = (effort: Effort) => Math.abs(rank(effort) - rank(mode));
  return sorted.reduce((best, effort) => distance(effort) <= distance(best) ? effort : best);
}

/** Whether `mode` asks a model with this `control` to think at all. */
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

/** Whether `control` has a way of not thinking. */
export function canStopThinking(control: ThinkingControl): boolean {
  return control === "none" || control === "switch" || (control !== "always" && control.includes("none"));
}
