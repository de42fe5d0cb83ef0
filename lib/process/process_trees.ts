/** Ends processes together with all they have started, in the way of one operating system. */
export interface ProcessTrees extends AsyncDisposable {
  /** Takes charge of a process that was just started: from now on its tree does not outlive the daemon. */
  adopt(pid: number): void;
  /** Asks the tree to end. */
  terminate(pid: number): Promise<void>;
  /** Ends the tree. */
  kill(pid: number): Promise<void>;
  /**
   * Ends what is left of the tree once its first process is gone, and lets go of it.
   *
   * @param graceMs how long the rest may take to end when asked
   */
  sweep(pid: number, graceMs: number): Promise<void>;
}

/** The groups 0 and 1 and negative numbers mean our own group, and all processes there are. */
const LOWEST_GROUP = 2;

/**
 * Sends `signal` to every process of the group `pgid`; 0 only asks.
 *
 * @returns whether there is such a group
 */
export function signalGroup(pgid: number, signal: "SIGTERM" | "SIGKILL" | 0): boolean {
  if (!(pgid >= LOWEST_GROUP)) return false;
  try {
    return globalThis.process.kill(-pgid, signal);
  } catch {
    return false;
  }
}
