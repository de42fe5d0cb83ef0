import { delay } from "@std/async/delay";
import { ExaiError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { Session } from "../session/session.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import type { Slot } from "../upstream/slot.ts";
import { CLOSE } from "../wire/codes.ts";
import type { SessionAccess } from "./call_control.ts";

/**
 * Ends the session `id`, given in full or by a prefix of at least four characters: its calls are cancelled and its
 * servers released. A shim opens a new session.
 *
 * @returns the full id
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` when no session, or more than one, matches
 */
export async function killSession(id: string, sessions: SessionAccess): Promise<string> {
  const session = findSession(id, sessions);
  const why = "the session was ended by exai-daemon kill";
  session.calls.cancelAll(new ExaiError("CANCELLED", why));
  // The responses of the calls are sent before the connection is closed.
  await delay(0);
  session.output.close(CLOSE.goingAway, why);
  sessions.end(session, why);
  return session.id;
}

function findSession(id: string, sessions: SessionAccess): Session {
  const exact = sessions.get(id);
  if (exact) return exact;
  const ids = Array.from(sessions, (session) => session.id);
  const matches = ids.filter((known) => id.length >= 4 && known.startsWith(id));
  if (matches.length === 1) return sessions.get(matches[0]!)!;
  const why = matches.length > 1 ? `${matches.length} sessions begin with it` : "exai-daemon ps lists them";
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `there is no session ${quoteName(id)}${didYouMean(id, ids)}; ${why}`,
  );
}

/** One running instance, with the server it belongs to. */
interface RunningSlot {
  server: MountedServer;
  slot: Slot;
}

/** The servers to search: the configured ones, and removed ones that still have running instances. */
interface KillTargets {
  servers: readonly MountedServer[];
  retiring: Iterable<MountedServer>;
}

/**
 * Ends the process trees or connections that `id` names: a server (all of its instances), a process id or a share key, as
 * shown by `exai-daemon ps`. Their calls in flight fail; the next call starts a new instance.
 *
 * @returns the ended instances, each as "server (process 1234)"
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` when no running instance matches
 */
export async function killUpstream(id: string, { servers, retiring }: KillTargets): Promise<string[]> {
  const all = [...servers, ...retiring].flatMap((server) =>
    [...server.slots, ...server.retiring].map((slot): RunningSlot => ({ server, slot }))
  );
  const found = all.filter(({ server, slot }) =>
    server.name === id || slot.keyHash === id || (id !== "" && String(slot.started?.pid) === id)
  );
  if (found.length === 0) throw notRunningError(id, servers);
  return await Promise.all(found.map(async ({ server, slot }) => {
    const pid = slot.started?.pid;
    await server.halt(slot);
    return pid === undefined ? server.name : `${server.name} (process ${pid})`;
  }));
}

function notRunningError(id: string, servers: readonly MountedServer[]): ExaiError {
  const names = servers.map(({ name }) => name);
  if (names.includes(id)) return new ExaiError("RESOURCE_NOT_FOUND", `server ${quoteName(id)} does not run`);
  return new ExaiError(
    "RESOURCE_NOT_FOUND",
    `no server, process or key ${quoteName(id)} runs${didYouMean(id, names)}; exai-daemon ps lists them`,
  );
}
