import type { JsonObject } from "../base/json.ts";
import type { ServerConfig } from "../config/server_config.ts";
import type { Caller } from "../call/call.ts";
import type { Leases } from "./leases.ts";
import { decideShare } from "./share_key.ts";

export const ROOTS_CHANGED = "notifications/roots/list_changed";

/** Where a session's roots are part of what it shares, other roots mean another process; the others stay put. */
export function followRoots(
  caller: Caller,
  leases: Leases,
  { config, params }: { config: ServerConfig; params: JsonObject },
): void {
  leases.current(caller)?.then(async (slot) => {
    if (slot.scope === "machine") return;
    // The copy a window has of what is one for each directory is as much in a directory as what it is a copy of.
    const isOwn = slot.scope === "session" && decideShare(config).scope !== "project";
    if (isOwn) return (await slot.instance).notify(caller, ROOTS_CHANGED, params);
    leases.relocate(caller, slot);
  }).catch(() => {});
}
