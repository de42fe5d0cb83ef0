import { isDeepStrictEqual } from "node:util";
import type { Settings } from "../config/settings.ts";
import type { ToolSets } from "../router/tool_set.ts";
import type { ToolViewOptions } from "../router/tool_view.ts";
import type { Session } from "../session/session.ts";
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
export function announceServers(sessions: Iterable<Session>, names: readonly string[]): void {
  for (const session of sessions) {
    if (session.server !== undefined && !names.includes(session.server)) continue;
    for (const what of ["tools", "prompts", "resources"]) {
      session.notify(`notifications/${what}/list_changed`);
    }
  }
}

/** Notifies the clients whose tool set has changed. */
export function announceToolSets(
  sessions: Iterable<Session>,
  { before, now }: { before: ToolSets; now: ToolSets },
): void {
  for (const session of sessions) {
    if (session.server !== undefined) continue;
    const name = session.client?.name;
    if (isDeepStrictEqual(before(name)?.config, now(name)?.config)) continue;
    session.notify("notifications/tools/list_changed");
  }
}
