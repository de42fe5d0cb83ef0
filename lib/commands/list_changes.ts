import { ownEntry } from "../base/json.ts";
import { visible } from "../base/visible.ts";
import type { DaemonStatus } from "../admin/status_rows.ts";
import { formatTable } from "./table.ts";

const REASONS: Readonly<Record<string, string>> = {
  mounted: "was mounted",
  removed: "was removed",
  known: "became known",
  changed: "changed its lists",
  renamed: "has other names, as another server has the same",
  settings: "settings changed what windows see",
};

/** How often windows were told that their lists have changed, and why; empty when none was. */
export function listChangeTable(changes: DaemonStatus["list_changes"] | undefined): string[] {
  if (!changes || changes.length === 0) return [];
  const rows = changes.map(({ cause, server, count, last_at }) => {
    const reason = ownEntry(REASONS, cause) ?? cause;
    return [server === undefined ? reason : `${visible(server)} ${reason}`, count, last_at];
  });
  return [formatTable(["LISTS CHANGED", "WINDOWS TOLD", "LAST"], rows)];
}
