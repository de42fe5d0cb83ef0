import { visible } from "../base/visible.ts";
import { causeInWords } from "../admin/list_changes.ts";
import type { DaemonStatus } from "../admin/status_rows.ts";
import { formatTable } from "./table.ts";

/** How often windows were told that their lists have changed, and why; empty when none was. */
export function listChangeTable(changes: DaemonStatus["list_changes"] | undefined): string[] {
  if (!changes || changes.length === 0) return [];
  const rows = changes.map((row) => [visible(causeInWords(row)), row.count, row.last_at]);
  return [formatTable(["LISTS CHANGED", "WINDOWS TOLD", "LAST"], rows)];
}
