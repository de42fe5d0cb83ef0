import { type JsonObject, textOf } from "../base/json.ts";
import { isNewer, OWN_RELEASE } from "../base/release.ts";
import { isFile } from "../config/path_kind.ts";
import type { StatePaths } from "../config/paths.ts";
import { writePrivateFile } from "../state/state_files.ts";
import { daemonCommand, programFile } from "./daemon_program.ts";
import { parseObject } from "./frames.ts";
import { commandOf, type ManagerCommand } from "./installed_service.ts";
import { readOwnFile } from "./own_files.ts";

interface LastProgram extends ManagerCommand {
  version: string;
  committedAt?: string;
  /** What must be there for it to start. */
  file: string;
}

/** Records that the daemon of this program runs in the state directory. */
export async function recordProgram({ program }: Pick<StatePaths, "program">): Promise<void> {
  const record: LastProgram = { ...OWN_RELEASE, ...daemonCommand(), file: programFile() };
  await writePrivateFile(program, JSON.stringify(record) + "\n");
}

/**
 * The program of the daemon that ran last in the state directory, if it is newer than the one beside this program: an
 * older one could not read the databases it has left.
 */
export async function newerProgram(
  { program }: Pick<StatePaths, "program">,
): Promise<ManagerCommand | undefined> {
  const { text } = await readOwnFile(program);
  const found = text === undefined ? undefined : lastProgramOf(parseObject(text));
  if (!found || !isNewer(found, OWN_RELEASE)) return undefined;
  return await isFile(found.file) ? { command: found.command, args: found.args } : undefined;
}

// No schema of zod, which would be a tenth of what is in the bundle of the shim.
function lastProgramOf(record: JsonObject | undefined): LastProgram | undefined {
  const [version, file] = [textOf(record?.version), textOf(record?.file)];
  const program = commandOf(record);
  if (version === undefined || file === undefined || !program) return undefined;
  return { ...program, version, file, committedAt: textOf(record?.committedAt) };
}
