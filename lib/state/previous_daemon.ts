import { isObject } from "../base/json.ts";
import { readRegularFile } from "../config/regular_file.ts";

/**
 * What the health file at `path` says of the daemon before this one, if that ended without saying so: killed, crashed,
 * or with the machine. In a sentence, or none.
 */
export async function endOfThePreviousDaemon(path: string): Promise<string[]> {
  try {
    const health: unknown = JSON.parse(await readRegularFile(path));
    if (!isObject(health) || health.status === "stopped" || typeof health.pid !== "number") return [];
    if (isAlive(health.pid)) return [];
    return [
      `the daemon before this one (process ${health.pid}) ended without stopping; it was last seen at ${health.time}`,
    ];
  } catch {
    // No daemon was here before, or its file is no longer readable.
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    return globalThis.process.kill(pid, 0);
  } catch (thrown) {
    // One we may not signal is there.
    return thrown instanceof Error && "code" in thrown && thrown.code === "EPERM";
  }
}
