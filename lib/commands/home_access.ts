import type { StatePaths } from "../config/paths.ts";
import { statePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { isDaemonRunning } from "../client/daemon_client.ts";
import { HomeLock } from "../state/home_lock.ts";
import { ensureStateDir } from "../state/state_files.ts";

/** The two ways to what is kept in a state directory. */
interface HomeAccess<T> {
  /** Asks the daemon that has it. */
  ask(): Promise<T>;
  /** Opens the files; nobody else does meanwhile. */
  alone(paths: StatePaths): Promise<T>;
}

/**
 * Gets at what is in the state directory: through the daemon that has it, or, when none does, with the right to it for
 * as long as that takes.
 *
 * @throws {ExaiError} `CONFIG` when a process has it and does not answer; what `ask` and `alone` throw
 */
export async function accessHome<T>(settings: Settings, { ask, alone }: HomeAccess<T>): Promise<T> {
  const paths = statePaths(settings);
  await ensureStateDir(paths);
  const found = await HomeLock.wait(paths, async () => await isDaemonRunning(settings) || undefined);
  if (!(found instanceof HomeLock)) return await ask();
  using _lock = found;
  return await alone(paths);
}
