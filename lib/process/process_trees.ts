/** Ends processes together with their descendants, in the way of one operating system. */
export interface ProcessTrees extends AsyncDisposable {
  /** The process that ends what a killed daemon has left, while there is one. */
  readonly guardPid?: number;
  /** Takes over a process that was just started: its tree does not outlive the daemon. */
  adopt(pid: number): void;
  /** Asks the tree to end. */
  terminate(pid: number): Promise<void>;
  /** Ends the tree. */
  kill(pid: number): Promise<void>;
  /**
   * Ends what is left of the tree after its root has ended, and forgets it.
   *
   * @param graceMs how long the rest may take to end when asked
   */
  sweep(pid: number, graceMs: number): Promise<void>;
}

/** Group 0 is our own, -1 is every process. */
const LOWEST_GROUP = 2;

/**
 * Sends `signal` to every process of the group `pgid`; 0 only checks.
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
