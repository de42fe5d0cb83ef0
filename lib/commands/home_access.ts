import type { StatePaths } from "../config/paths.ts";
import { statePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { isDaemonRunning } from "../client/daemon_client.ts";
import { HomeLock } from "../state/home_lock.ts";
import { ensureStateDir } from "../state/state_files.ts";

/** The two ways to the contents of a state directory. */
interface HomeAccess<T> {
  /** Asks the daemon that uses the directory. */
  ask(): Promise<T>;
  /** Opens the files, under the lock of the directory. */
  alone(paths: StatePaths): Promise<T>;
}

/**
 * Reads or changes the contents of the state directory: through its daemon, or, when none runs, directly while holding
 * the lock of the directory.
 *
 * @throws {ExaiError} `CONFIG` when a process holds the lock and does not answer; what `ask` and `alone` throw
 */
export async function accessHome<T>(settings: Settings, { ask, alone }: HomeAccess<T>): Promise<T> {
  const paths = statePaths(settings);
  await ensureStateDir(paths);
  const found = await HomeLock.wait(paths, async () => await isDaemonRunning(settings) || undefined);
  if (!(found instanceof HomeLock)) return await ask();
  using _lock = found;
  return await alone(paths);
}
