import { isDeepStrictEqual } from "node:util";
import type { Caller } from "../call/call.ts";
import type { Settings } from "../config/settings.ts";
import type { ToolSets } from "../router/tool_set.ts";
import type { ToolViewOptions } from "../router/tool_view.ts";
import { LEAN_TOOLS } from "../tool/tool_selection.ts";
import type { ConfiguredMounts } from "./configured_mounts.ts";
import type { OwnServer } from "./own_server.ts";

/** How the merged tools are shown to clients. */
export function viewOf(
  { toolSearch, toolSearchChars }: Settings,
  { own, mounts }: { own: OwnServer; mounts: ConfiguredMounts },
): ToolViewOptions {
  return {
    toolSets: () => mounts.toolSets,
    search: toolSearch,
    searchChars: toolSearchChars,
    isCore: (name, { server }) =>
      server === own.server && (LEAN_TOOLS.includes(name) || own.userToolNames.includes(name)),
  };
}

/** Notifies the clients that see one of these servers, which were added, removed or changed. */
export function announceServers(callers: Iterable<Caller>, names: readonly string[]): void {
  for (const caller of callers) {
    if (caller.server !== undefined && !names.includes(caller.server)) continue;
    for (const what of ["tools", "prompts", "resources"]) {
      caller.notify(`notifications/${what}/list_changed`);
    }
  }
}

/** Notifies the clients whose tool set has changed. */
export function announceToolSets(
  callers: Iterable<Caller>,
  { before, now }: { before: ToolSets; now: ToolSets },
): void {
  for (const caller of callers) {
    if (caller.server !== undefined) continue;
    const name = caller.client?.name;
    if (isDeepStrictEqual(before(name)?.config, now(name)?.config)) continue;
    caller.notify("notifications/tools/list_changed");
  }
}
