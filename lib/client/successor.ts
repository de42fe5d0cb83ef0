import { getLogger } from "@logtape/logtape";
import { isNewer, OWN_RELEASE, type Release } from "../base/release.ts";
import type { StatePaths } from "../config/paths.ts";
import { DAEMON_START_TIMEOUT_MS } from "../config/settings.ts";
import { FileLock } from "../state/file_lock.ts";
import { daemonCommand } from "./daemon_program.ts";
import { spawnDaemon } from "./autostart.ts";
import { readInstalledService, runsProgram } from "./installed_service.ts";

const log = getLogger(["exai", "shim"]);

/**
 * Starts the daemon beside this program if that is newer than the one that runs, `running`. The newer one has the older
 * one end when that loses nothing, and takes its place; this window goes on with the older one until then. Of many
 * windows that are opened at once only one starts it.
 */
export async function startSuccessor(
  running: Release,
  { environment, paths }: { environment: Record<string, string>; paths: StatePaths },
): Promise<void> {
  if (!isNewer(OWN_RELEASE, running)) return;
  const service = await readInstalledService(paths);
  if (service && !runsProgram(service, daemonCommand())) {
    const facts = { old: running.version, own: OWN_RELEASE.version, command: service.command };
    return log.warning(
      "daemon {old} runs as a service ({command}), and this shim is {own}: update that program, or run " +
        "exai-daemon service install of the newer one",
      facts,
    );
  }
  const lock = await FileLock.tryTake(paths.successorLock);
  if (!lock) return;
  using _started = await spawnDaemon(environment, paths);
  // By then it waits to take over, or could not start.
  Deno.unrefTimer(setTimeout(() => lock[Symbol.dispose](), DAEMON_START_TIMEOUT_MS));
  log.info("daemon {old} runs; {own} is started, and takes over once no call runs", {
    old: running.version,
    own: OWN_RELEASE.version,
  });
}
