import { delay } from "@std/async/delay";
import { messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import { locateDaemon } from "../client/address.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { type Link, openLink } from "../client/link.ts";
import { isNoDaemon, LinkError } from "../client/link_target.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { HomeLock, type HomeOwner } from "../state/home_lock.ts";
import type { DaemonState } from "./installation.ts";

/** How long a holder of the state directory that does not listen may be starting, or a command. */
const START_MS = 3 * SECOND_MS;
const POLL_MS = 200;

const NORMAL_CLOSURE = 1000;

/** How the daemon of the state directory stands. Nothing is started, and no token is sent. */
export async function findDaemon(settings: Settings, paths: StatePaths): Promise<DaemonState> {
  const end = performance.now() + START_MS;
  for (;;) {
    const answer = await dial(settings, paths);
    if (!(answer instanceof LinkError)) return await describe(answer, { settings, paths });
    const owner = await holderOf(paths);
    if (owner === undefined) {
      return isNoDaemon(answer)
        ? { is: "stopped" }
        : { is: "stopped", listener: { is: "program", what: answer.message } };
    }
    if (answer.fault === "unauthorized" || answer.fault === "rejected" || answer.fault === "unproven") {
      return { is: "refusing", pid: owner.pid, why: answer.message };
    }
    if (answer.fault === "unreachable" || performance.now() > end) {
      return { is: "silent", pid: owner.pid, why: answer.message };
    }
    await delay(POLL_MS);
  }
}

async function dial(settings: Settings, paths: StatePaths): Promise<Link | LinkError> {
  try {
    return await openLink(await locateDaemon(settings, paths), {
      client: { name: "exai-doctor", version: VERSION },
    });
  } catch (thrown) {
    // A certificate or key of the settings that cannot be read: what is wrong with it is found by another check.
    return thrown instanceof LinkError ? thrown : new LinkError("rejected", messageOf(thrown));
  }
}

async function describe(
  { socket, ack: { daemon } }: Link,
  { settings, paths }: { settings: Settings; paths: StatePaths },
): Promise<DaemonState> {
  socket.close(NORMAL_CLOSURE);
  const { pid, version, home, committed_at: committedAt, hands_over: handsOver = false } = daemon;
  const daemonName = `an EXAI daemon (version ${version}, process ${pid})`;
  if (home !== undefined && await real(home) !== await real(paths.home)) {
    return {
      is: "stopped",
      listener: { is: "daemon", what: `${daemonName} with the state directory ${home}` },
    };
  }
  // One that does not tell its home is another user's, or so old that it takes no lock.
  if (home === undefined && (await holderOf(paths))?.pid !== pid) {
    return { is: "stopped", listener: { is: "daemon", what: daemonName } };
  }
  const health = await askDaemon(settings, "/health").catch((): JsonObject => ({}));
  return { is: "running", pid, release: { version, committedAt }, handsOver, health };
}

function real(path: string): Promise<string> {
  return Deno.realPath(path).catch(() => path);
}

/** Who holds the lock of a state directory; undefined when no process does, or it cannot be looked at. */
export async function holderOf(paths: Pick<StatePaths, "home" | "lock">): Promise<HomeOwner | undefined> {
  return await HomeLock.holder(paths).catch(() => undefined);
}
