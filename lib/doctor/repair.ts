import { delay } from "@std/async/delay";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { writeNewToken } from "../edge/token.ts";
import { FileLock } from "../state/file_lock.ts";
import type { Repair } from "./finding.ts";
import type { Installation } from "./installation.ts";

/** How long a daemon without calls may take to end. */
const STOP_MS = 10 * SECOND_MS;
const POLL_MS = 50;

/**
 * Makes one change.
 *
 * @throws what the file system says; {@linkcode ExaiError} when a daemon does not end in time
 */
export async function applyRepair(repair: Repair, { settings, paths }: Installation): Promise<void> {
  switch (repair.kind) {
    case "chmod":
      return await chmod(repair.path, repair.mode);
    case "remove":
      return await Deno.remove(repair.path);
    case "new token":
      return void await writeNewToken(repair.path);
    case "stop daemon":
      await askDaemon(settings, "/stop", "POST").catch(() => signalled(repair.pid));
      return await waitUntilFree(paths.lock);
  }
}

/** A link in the place of the file would lead elsewhere. */
async function chmod(path: string, mode: number): Promise<void> {
  const { isSymlink, uid } = await Deno.lstat(path);
  if (isSymlink) throw new ExaiError("CONFIG", `${path} is a link; change the mode of what it leads to`);
  if (uid !== null && uid !== Deno.uid()) throw new ExaiError("CONFIG", `${path} belongs to user ${uid}`);
  await Deno.chmod(path, mode);
}

/** A daemon that cannot be asked to stop is of an older version, and stops in order by this signal. */
function signalled(pid: number): void {
  if (Deno.build.os === "windows") {
    throw new ExaiError("DAEMON_UNAVAILABLE", `the daemon does not stop by being asked; end process ${pid}`);
  }
  Deno.kill(pid, "SIGTERM");
}

async function waitUntilFree(path: string): Promise<void> {
  const end = performance.now() + STOP_MS;
  while (performance.now() < end) {
    using lock = await FileLock.tryTake(path);
    if (lock) return;
    await delay(POLL_MS);
  }
  throw new ExaiError("TIMEOUT", `the daemon has not ended within ${STOP_MS / SECOND_MS} s`);
}
