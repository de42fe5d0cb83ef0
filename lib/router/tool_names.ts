import type { Server } from "../call/server.ts";
import type { NamedKind } from "./name_store.ts";
import type { NameOffer, WishedNames } from "./public_names.ts";

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

/** Where the name of a tool or prompt in the merged catalog comes from, by its server's own name. */
export function namingOf(
  kind: NamedKind,
  own: string,
  { toolNaming }: Pick<Server, "toolNaming">,
): NameOffer["naming"] {
  if (kind === "tools" && toolNaming && Object.hasOwn(toolNaming.rename, own)) return "wished";
  return toolNaming?.isPrefixed ? "prefixed" : "own";
}

/** The names that `rename` gives to tools of `servers`, whether or not their lists are known. */
export function wishedNames(servers: readonly Server[]): WishedNames {
  const wished = new Map<string, Set<string>>();
  for (const { name, toolNaming } of servers) {
    for (const wish of Object.values(toolNaming?.rename ?? {})) {
      wished.set(wish, (wished.get(wish) ?? new Set()).add(name));
    }
  }
  return wished;
}
