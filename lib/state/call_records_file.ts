import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { type CallRecordsOptions, SqliteCallRecords } from "./call_records.ts";

/** Opens the record of calls as the settings have it; undefined when it is off. */
export function openCallRecords(
  settings: Settings,
  paths: StatePaths,
  hooks: Pick<CallRecordsOptions, "now" | "onchange" | "onaside"> = {},
): SqliteCallRecords | undefined {
  if (!settings.calls) return undefined;
  return new SqliteCallRecords({
    path: paths.calls,
    maxAgeMs: settings.callsMaxAgeMs,
    maxBytes: settings.callsMaxBytes,
    withBodies: settings.callsBodies,
    ...hooks,
  });
}
