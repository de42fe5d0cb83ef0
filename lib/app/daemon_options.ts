import type { Server } from "../call/server.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type { HomeLock } from "../state/home_lock.ts";

/** What a daemon is started with. */
export interface DaemonOptions {
  settings: Settings;
  paths: StatePaths;
  /** Servers beside EXAI's own tools; tests put theirs here. */
  servers?: readonly Server[];
  /** What is wrong with what was set up before the daemon, its log file, each in a sentence. */
  faults?: () => string[];
  /** What is worth knowing of the daemons before this one, each in a sentence. */
  notes?: () => readonly string[];
  /** The right to use the state directory, which its owner gives back; left out: the daemon takes it for itself. */
  lock?: HomeLock;
}
