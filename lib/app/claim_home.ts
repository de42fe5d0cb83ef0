import { SECOND_MS } from "../base/units.ts";
import { isObject } from "../base/json.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { readRegularFile } from "../config/regular_file.ts";
import { loadClientTls } from "../config/tls.ts";
import { HomeLock, type HomeOwner } from "../state/home_lock.ts";
import { probeDaemon } from "../client/probe.ts";

/** How the holder is probed: no token is sent, so the user of the listening program does not matter. */
const PROBE = {
  usesToken: false,
  allowsAnyUser: true,
  readToken: () => Promise.resolve(undefined),
  timeoutMs: 2 * SECOND_MS,
};

/** A daemon that uses the state directory and answers. */
export interface RunningDaemon extends HomeOwner {
  url: string;
}

/**
 * Locks the state directory for this process, or returns the daemon that has it. A daemon that does not answer is
 * starting or stopping, and is waited for.
 *
 * @throws {ExaiError} `CONFIG` when it neither answers nor ends in time
 */
export async function claimHome(settings: Settings, paths: StatePaths): Promise<HomeLock | RunningDaemon> {
  const found = await HomeLock.wait(paths, (owner) => findDaemon(settings, paths, owner));
  if (!(found instanceof HomeLock)) return found;
  const running = await findWithoutLock(settings, paths);
  if (!running) return found;
  found[Symbol.dispose]();
  return running;
}

/**
 * A daemon of the state directory whose lock file was removed, so that its lock is of no effect: it answers with the
 * process id in `daemon.json`, unlike another program at the address of a daemon that has ended.
 */
async function findWithoutLock(settings: Settings, paths: StatePaths): Promise<RunningDaemon | undefined> {
  const endpoint = await readEndpoint(paths.endpoint);
  if (endpoint?.pid === undefined || endpoint.pid === Deno.pid) return undefined;
  const { url, socket, pid, version } = endpoint;
  // The socket belongs to the state directory, so its listener is the daemon, even if it requires a token to answer.
  const isThere = await answersAtSocket(socket) || await answersAs(pid, url, settings);
  return isThere ? { url, pid, version } : undefined;
}

/** The daemon of the state directory, once it answers. No secret is sent to it. */
async function findDaemon(
  settings: Settings,
  paths: StatePaths,
  owner: HomeOwner,
): Promise<RunningDaemon | undefined> {
  const endpoint = await readEndpoint(paths.endpoint);
  // Left by an earlier daemon.
  if (!endpoint || (owner.pid !== undefined && endpoint.pid !== owner.pid)) return undefined;
  const { url, socket, pid, version } = endpoint;
  const isThere = await answersAtSocket(socket) || await answersAtAddress(url, settings);
  return isThere ? { url, pid, version } : undefined;
}

/** A WebSocket cannot connect to a named pipe of Windows. */
async function answersAtSocket(socket: string | undefined): Promise<boolean> {
  if (!socket?.startsWith("/")) return false;
  return (await probeDaemon("ws://localhost/", { ...PROBE, socket })).kind === "exai";
}

async function answersAs(pid: number, url: string, settings: Settings): Promise<boolean> {
  const tls = await loadClientTls(settings).catch(() => undefined);
  const answer = await probeDaemon(url, { ...PROBE, tls });
  return answer.kind === "exai" && answer.pid === pid;
}

async function answersAtAddress(url: string, settings: Settings): Promise<boolean> {
  const isTls = url.startsWith("wss:");
  const tls = isTls ? await loadClientTls(settings).catch(() => undefined) : undefined;
  const { kind } = await probeDaemon(url, { ...PROBE, tls });
  // An unknown certificate, or a required client certificate, does not mean that no daemon is there.
  return isTls ? kind !== "none" : kind === "exai";
}

async function readEndpoint(path: string) {
  try {
    const found: unknown = JSON.parse(await readRegularFile(path));
    if (!isObject(found) || typeof found.url !== "string") return undefined;
    return {
      url: found.url,
      socket: typeof found.socket === "string" ? found.socket : undefined,
      pid: typeof found.pid === "number" ? found.pid : undefined,
      version: typeof found.version === "string" ? found.version : undefined,
    };
  } catch {
    return undefined;
  }
}
