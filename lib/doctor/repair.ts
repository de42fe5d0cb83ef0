import { delay } from "@std/async/delay";
import { ExaiError } from "../base/errors.ts";
import { OWN_RELEASE } from "../base/release.ts";
import { SECOND_MS } from "../base/units.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { requestHandover } from "../client/request_handover.ts";
import { writeNewToken } from "../edge/token.ts";
import { FileLock } from "../state/file_lock.ts";
import { holderOf } from "./find_daemon.ts";
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
      await stop({ settings, paths }, repair.pid);
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

/**
 * Has the daemon end at a moment when no call runs.
 *
 * @throws {ExaiError} when there is no such moment now
 */
async function stop({ settings, paths }: HomeOfDaemon, pid: number): Promise<void> {
  const answer = await requestHandover(settings, OWN_RELEASE).catch(() => undefined);
  if (answer?.state === "waiting") {
    throw new ExaiError("OVER_CAPACITY", `it goes on with ${answer.waits_for}; try again later`);
  }
  if (answer === undefined) await stopBySignal({ settings, paths }, pid);
}

type HomeOfDaemon = Pick<Installation, "settings" | "paths">;

/** A daemon from before the handover ends in order by a signal, and is asked first whether a call runs. */
async function stopBySignal({ settings, paths }: HomeOfDaemon, pid: number): Promise<void> {
  const owner = await holderOf(paths);
  const health = await askDaemon(settings, "/health");
  if (health.inflight !== 0 || health.queued !== 0) {
    throw new ExaiError("OVER_CAPACITY", "calls run; try again later");
  }
  // A number that something else has told is no reason to end a process.
  if (Deno.build.os === "windows" || owner?.pid !== pid) {
    throw new ExaiError("DAEMON_UNAVAILABLE", `this one cannot be asked to stop; end process ${pid}`);
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
