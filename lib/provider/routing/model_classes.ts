import { ownEntry } from "../../base/json.ts";
import type { ModelClass } from "../provider.ts";

/** The preferred class of model by tool; "balanced" for all others. */
const CLASS_BY_TOOL: Readonly<Record<string, ModelClass>> = {
  thinkdeep: "deep",
  codereview: "deep",
  secaudit: "deep",
  debug: "deep",
  consensus: "deep",
  refactor: "deep",
  precommit: "deep",
};

/** The classes in order of preference, by preferred class. */
const PREFERENCE: Readonly<Record<ModelClass, readonly ModelClass[]>> = {
  deep: ["deep", "balanced", "fast"],
  balanced: ["balanced", "deep", "fast"],
  fast: ["fast", "balanced", "deep"],
};

/** The class of model that `auto` prefers for `tool`. */
export function classForTool(tool: string): ModelClass {
  return ownEntry(CLASS_BY_TOOL, tool) ?? "balanced";
}

/** The distance of a class from the preferred one; 0 if they are equal. */
export function classRank(modelClass: ModelClass, preferred: ModelClass): number {
  return PREFERENCE[preferred].indexOf(modelClass);
}
