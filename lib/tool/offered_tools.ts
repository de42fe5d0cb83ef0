import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { ToolDefinition } from "../wire/mcp.ts";
import type { Tool } from "./tool.ts";
import { selectTools, type ToolSelectionOptions } from "./tool_selection.ts";

/** An immutable set of offered tools. Replaced as a whole, so that no call sees a partial change. */
export interface OfferedTools {
  /** The entries of `tools/list`. */
  readonly definitions: readonly ToolDefinition[];
  /** Warnings about the settings that select tools, a sentence each. */
  readonly warnings: readonly string[];
  /**
   * Returns the tool `name`.
   *
   * @throws {ExaiError} `TOOL_NOT_FOUND` naming the setting that disables it, or similar names
   */
  find(name: string): Tool;
  /** The tool `name` if it is offered. */
  get(name: string): Tool | undefined;
  /** Why the tool `name` is not offered, in a sentence; undefined: it is, or there is none. */
  whyDisabled(name: string): string | undefined;
}

/** Creates the set of `tools` that `options` select. */
export function offerTools(tools: readonly Tool[], options: ToolSelectionOptions): OfferedTools {
  const { offered, disabledBy, warnings } = selectTools(tools, options);
  const byName = new Map(offered.map((tool) => [tool.name, tool]));
  const whyDisabled = (name: string) => {
    const setting = disabledBy.get(name);
    return setting === undefined ? undefined : `the tool ${name} is switched off by ${setting}`;
  };
  return {
    // All callers share one list.
    definitions: deepFreeze(offered.map((tool) => tool.definition)),
    warnings,
    get: (name) => byName.get(name),
    whyDisabled,
    find(name) {
      const tool = byName.get(name);
      if (tool !== undefined) return tool;
      const why = whyDisabled(name);
      if (why !== undefined) throw new ExaiError("TOOL_NOT_FOUND", why);
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
