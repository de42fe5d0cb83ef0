import { ownEntry } from "../../base/json.ts";
import type { ModelClass } from "../provider.ts";

/** The class of model a tool is best served by. What is not named is served by a balanced one. */
const CLASS_BY_TOOL: Readonly<Record<string, ModelClass>> = {
  thinkdeep: "deep",
  codereview: "deep",
  secaudit: "deep",
  debug: "deep",
  consensus: "deep",
  refactor: "deep",
  precommit: "deep",
  analyze: "balanced",
  chat: "balanced",
  testgen: "balanced",
};

/** What stands in for a class that is not there, best first. */
const ORDER: Readonly<Record<ModelClass, readonly ModelClass[]>> = {
  deep: ["deep", "balanced", "fast"],
  balanced: ["balanced", "deep", "fast"],
  fast: ["fast", "balanced", "deep"],
};

/** The class `auto` takes for `tool`. */
export function classOf(tool: string): ModelClass {
  return ownEntry(CLASS_BY_TOOL, tool) ?? "balanced";
}

/** How far `found` is from `wanted`; 0 is the class itself. */
export function classRank(found: ModelClass, wanted: ModelClass): number {
  return ORDER[wanted].indexOf(found);
}
