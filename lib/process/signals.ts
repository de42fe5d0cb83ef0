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
