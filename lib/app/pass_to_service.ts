import { delay } from "@std/async/delay";
import { getLogger } from "@logtape/logtape";
import { ServiceStart } from "../client/installed_service.ts";
import type { StatePaths } from "../config/paths.ts";
import { DAEMON_START_TIMEOUT_MS, type Settings } from "../config/settings.ts";
import type { HomeLock } from "../state/home_lock.ts";
import { claimHome } from "./claim_home.ts";
import { findDaemonAt, type RunningDaemon } from "./running_daemon.ts";

const log = getLogger(["exai", "daemon"]);

const POLL_MS = 50;

/**
 * Starts the daemon as the service it is installed as, in place of this process, which has the state directory.
 *
 * @returns that daemon, or the lock of the directory where its manager does not start it: this process is the daemon then
 */
export async function passToService(
  lock: HomeLock,
  { settings, paths }: { settings: Settings; paths: StatePaths },
): Promise<HomeLock | RunningDaemon> {
  lock[Symbol.dispose]();
  const service = new ServiceStart(paths);
  const { fault } = await service.attempt();
  if (fault !== undefined) {
    log.warning("the service does not start the daemon: {fault}", { fault });
    return await claimHome(settings, paths);
  }
  const deadlineMs = performance.now() + DAEMON_START_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    const running = await findDaemonAt(settings, paths);
    if (running) return running;
    await delay(POLL_MS);
    await service.attempt();
  }
  return await claimHome(settings, paths);
}
