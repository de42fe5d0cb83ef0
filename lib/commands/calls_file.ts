import { CallControl } from "../admin/call_control.ts";
import { ExaiError } from "../base/errors.ts";
import { isFile } from "../config/path_kind.ts";
import { type StatePaths, statePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { openCallRecords } from "../state/call_records.ts";
import { accessHome } from "./home_access.ts";

/**
 * What `read` finds in the record of calls while no daemon runs; `ask` asks one that has started in the meantime.
 *
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` without a record, `CONFIG` for one that cannot be read
 */
export async function fromCallsFile<T>(
  settings: Settings,
  ask: () => Promise<T>,
  read: (control: CallControl) => T | Promise<T>,
): Promise<T> {
  const { calls } = statePaths(settings);
  if (!await isFile(calls)) {
    throw new ExaiError("RESOURCE_NOT_FOUND", `no daemon runs, and there is no record of calls at ${calls}`);
  }
  return await accessHome(settings, { ask, alone: (paths) => withFile(settings, paths, read) });
}

async function withFile<T>(
  settings: Settings,
  paths: StatePaths,
  read: (control: CallControl) => T | Promise<T>,
): Promise<T> {
  const notes: string[] = [];
  using store = openCallRecords({ ...settings, calls: true }, paths, {
    onQuarantine: (note) => notes.push(note),
  });
  const control = new CallControl({ store, maxBodyChars: settings.callsBodyMaxBytes });
  const [fault] = [...notes, ...control.faults()];
  if (fault !== undefined) throw new ExaiError("CONFIG", fault);
  return await read(control);
}
