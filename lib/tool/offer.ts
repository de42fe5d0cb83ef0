import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { ToolDefinition } from "../wire/mcp.ts";
import { type SelectionOptions, selectTools } from "./selection.ts";
import type { Tool } from "./tool.ts";

/** The tools on offer at one time. Replaced as a whole when they change, so that no call sees half of it. */
export interface ToolOffer {
  /** As `tools/list` shows them. */
  readonly definitions: readonly ToolDefinition[];
  /** What is odd about the settings that choose the tools, a sentence each. */
  readonly warnings: readonly string[];
  /**
   * The tool `name`.
   *
   * @throws {ExaiError} `TOOL_NOT_FOUND` with the setting that took it away, or the names it may be a typo of
   */
  find(name: string): Tool;
}

/** Makes the offer that `options` leave of `tools`. */
export function makeOffer(tools: readonly Tool[], options: SelectionOptions): ToolOffer {
  const { offered, switchedOff, warnings } = selectTools(tools, options);
  const byName = new Map(offered.map((tool) => [tool.name, tool]));
  return {
    // The list is one object for all who ask: nobody may change it for the others.
    definitions: deepFreeze(offered.map((tool) => tool.definition)),
    warnings,
    find(name) {
      const tool = byName.get(name);
      if (tool !== undefined) return tool;
      const setting = switchedOff.get(name);
      if (setting !== undefined) {
        throw new ExaiError("TOOL_NOT_FOUND", `the tool ${name} is switched off by ${setting}`);
      }
      const close = didYouMean(name, [...byName.keys()]);
      throw new ExaiError(
        "TOOL_NOT_FOUND",
        `there is no tool ${quoteName(name)}${close}; tools/list names them all`,
      );
    },
  };
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value) as (JsonObject | string)[]) {
    if (typeof part === "object" && part !== null && !Object.isFrozen(part)) deepFreeze(part);
  }
  return Object.freeze(value);
}
