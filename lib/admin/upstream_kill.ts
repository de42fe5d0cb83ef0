import { ExaiError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import type { Slot } from "../upstream/slot.ts";

/** One running instance, with the server it belongs to. */
interface RunningSlot {
  server: MountedServer;
  slot: Slot;
}

/** Where to look: the servers of the configuration, and those on their way out of it. */
interface Killable {
  servers: readonly MountedServer[];
  retiring: Iterable<MountedServer>;
}

/**
 * Ends the process trees, or connections, that `id` names: a server (all of its instances), a process id or a key, as
 * `exai-daemon ps` shows them. Calls in flight on them fail; the next call starts a fresh one.
 *
 * @returns each as "server (process 1234)"
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` when nothing of that name runs
 */
export async function killUpstream(id: string, { servers, retiring }: Killable): Promise<string[]> {
  const all = [...servers, ...retiring].flatMap((server) =>
    [...server.slots, ...server.retiring].map((slot): RunningSlot => ({ server, slot }))
  );
  const found = all.filter(({ server, slot }) =>
    server.name === id || slot.keyHash === id || (id !== "" && String(slot.started?.pid) === id)
  );
  if (found.length === 0) throw notThere(id, servers);
  return await Promise.all(found.map(async ({ server, slot }) => {
    const pid = slot.started?.pid;
    server.end(slot);
    await slot.instance.then((instance) => instance.ended, () => {});
    return pid === undefined ? server.name : `${server.name} (process ${pid})`;
  }));
}

function notThere(id: string, servers: readonly MountedServer[]): ExaiError {
  const names = servers.map(({ name }) => name);
  if (names.includes(id)) return new ExaiError("RESOURCE_NOT_FOUND", `server ${quoteName(id)} does not run`);
  return new ExaiError(
    "RESOURCE_NOT_FOUND",
    `no server, process or key ${quoteName(id)} runs${didYouMean(id, names)}; exai-daemon ps lists them`,
  );
}
