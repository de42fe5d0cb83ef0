import type { Server } from "../call/server.ts";

/**
 * The name of a tool in the merged catalog before collisions between servers are resolved (`publicNames`): the one that
 * `rename` of `mcp.json` gives it, otherwise its own with the configured `prefix`. Tools are renamed in this room only:
 * servers list and receive their own names.
 *
 * @example
 * ```ts
 * import { configuredName } from "./tool_names.ts";
 *
 * const toolNaming = { rename: { tell: "say" }, prefix: "my_" };
 * console.assert(configuredName("tell", { toolNaming }) === "say");
 * console.assert(configuredName("ask", { toolNaming }) === "my_ask");
 * ```
 */
export function configuredName(own: string, { toolNaming }: Pick<Server, "toolNaming">): string {
  if (toolNaming === undefined) return own;
  const { rename, prefix } = toolNaming;
  return Object.hasOwn(rename, own) ? rename[own]! : prefix + own;
}
