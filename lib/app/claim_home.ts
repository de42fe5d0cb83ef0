import { SECOND_MS } from "../base/units.ts";
import { isObject, textOf } from "../base/json.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { readRegularFile } from "../config/regular_file.ts";
import { loadClientTls } from "../config/tls.ts";
import { HomeLock, type HomeOwner } from "../state/home_lock.ts";
import { probeDaemon, type ProbeResult } from "../client/probe.ts";
import type { RunningDaemon } from "./running_daemon.ts";

/** How the holder is probed: no token is sent, so the user of the listening program does not matter. */
const PROBE = {
  usesToken: false,
  allowsAnyUser: true,
  readToken: () => Promise.resolve(undefined),
  timeoutMs: SECOND_MS / 2,
};

/**
 * Locks the state directory for this process, or returns the daemon that has it. A holder that does not listen is
 * starting or stopping, and is waited for; one that listens and does not answer is busy.
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
  const { url, socket, pid, ...about } = endpoint;
  // The socket belongs to the state directory, so its listener is the daemon, even if it requires a token to answer.
  const isThere = await stateAtSocket(socket) === "answers" || await answersAs(pid, url, settings);
  return isThere ? { url, pid, ...about, home: paths.home } : undefined;
}

/** The daemon of the state directory, once it listens. No secret is sent to it. */
async function findDaemon(
  settings: Settings,
  paths: StatePaths,
  owner: HomeOwner,
): Promise<RunningDaemon | undefined> {
  const endpoint = await readEndpoint(paths.endpoint);
  // Left by an earlier daemon.
  if (!endpoint || (owner.pid !== undefined && endpoint.pid !== owner.pid)) return undefined;
  const { socket, ...about } = endpoint;
  const { url } = about;
  const atSocket = await stateAtSocket(socket);
  const state = atSocket === "gone" ? await stateAtAddress(url, settings) : atSocket;
  return state === "gone" ? undefined : { ...about, home: paths.home, isBusy: state === "busy" };
}

/** What a connection to a daemon shows: it listens and has not answered in time while it is `busy`. */
type ListenerState = "answers" | "busy" | "gone";

/** A WebSocket cannot connect to a named pipe of Windows. */
async function stateAtSocket(socket: string | undefined): Promise<ListenerState> {
  if (!socket?.startsWith("/")) return "gone";
  return stateOf(await probeDaemon("ws://localhost/", { ...PROBE, socket }));
}

function stateOf({ kind }: ProbeResult): ListenerState {
  return kind === "exai" ? "answers" : kind === "other" ? "busy" : "gone";
}

async function answersAs(pid: number, url: string, settings: Settings): Promise<boolean> {
  const tls = await loadClientTls(settings).catch(() => undefined);
  const answer = await probeDaemon(url, { ...PROBE, tls });
  return answer.kind === "exai" && answer.pid === pid;
}

async function stateAtAddress(url: string, settings: Settings): Promise<ListenerState> {
  const isTls = url.startsWith("wss:");
  const tls = isTls ? await loadClientTls(settings).catch(() => undefined) : undefined;
  const state = stateOf(await probeDaemon(url, { ...PROBE, tls }));
  // An unknown certificate, or a required client certificate, does not mean that no daemon is there.
  return isTls && state === "busy" ? "answers" : state;
}

async function readEndpoint(path: string) {
  try {
    const found: unknown = JSON.parse(await readRegularFile(path));
    if (!isObject(found) || typeof found.url !== "string") return undefined;
    return {
      url: found.url,
      socket: typeof found.socket === "string" ? found.socket : undefined,
      pid: typeof found.pid === "number" ? found.pid : undefined,
      version: textOf(found.version),
      committedAt: textOf(found.committed_at),
      handsOver: found.hands_over === true,
    };
  } catch {
    return undefined;
  }
}
