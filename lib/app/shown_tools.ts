import { isDeepStrictEqual } from "node:util";
import type { Settings } from "../config/settings.ts";
import type { ToolSets } from "../router/tool_set.ts";
import type { ToolViewOptions } from "../router/tool_view.ts";
import type { Session } from "../session/session.ts";
import { LEAN_TOOLS } from "../tool/tool_selection.ts";
import type { DaemonParts } from "./daemon_parts.ts";

/** What windows see of all tools. */
export function viewOf(
  { toolSearch, toolSearchChars }: Settings,
  { own, mounts }: Pick<DaemonParts, "own" | "mounts">,
): ToolViewOptions {
  return {
    toolSets: () => mounts.toolSets,
    search: toolSearch,
    searchChars: toolSearchChars,
    isCore: (name, { server }) =>
      server === own.server && (LEAN_TOOLS.includes(name) || own.userToolNames.includes(name)),
  };
}

/** Servers have come, gone or changed: every window that sees one of them is told. */
export function announceServers(sessions: Iterable<Session>, names: readonly string[]): void {
  for (const session of sessions) {
    if (session.server !== undefined && !names.includes(session.server)) continue;
    for (const what of ["tools", "prompts", "resources"]) {
      session.notify(`notifications/${what}/list_changed`);
    }
  }
}

/** Which tools clients see has changed: the windows it concerns are told. */
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
