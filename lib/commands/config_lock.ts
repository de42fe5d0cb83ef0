import { delay } from "@std/async/delay";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { StatePaths } from "../config/paths.ts";
import { FileLock } from "../state/file_lock.ts";
import { ensureStateDir } from "../state/state_files.ts";

/** How long another command may take to change the file. */
const LOCK_WAIT_MS = 10 * SECOND_MS;
const LOCK_POLL_MS = 20;

/**
 * Waits for the right to change `mcp.json`: of two commands that write at once, one would undo what the other did.
 *
 * @returns undefined where no lock can be made: the state directory is read-only, and the file need not be
 * @throws {ExaiError} `CONFIG` when another command does not get done with it
 */
export async function lockConfig(paths: StatePaths): Promise<Disposable | undefined> {
  const untilMs = performance.now() + LOCK_WAIT_MS;
  do {
    const lock = await tryLock(paths);
    if (lock !== "taken") return lock;
    await delay(LOCK_POLL_MS);
  } while (performance.now() < untilMs);
  throw new ExaiError(
    "CONFIG",
    `another command has been changing ${paths.config} for ${LOCK_WAIT_MS / SECOND_MS} s`,
  );
}

async function tryLock(paths: StatePaths): Promise<FileLock | undefined | "taken"> {
  try {
    await ensureStateDir(paths);
    return await FileLock.tryTake(paths.configLock) ?? "taken";
  } catch {
    return undefined;
  }
}
