import { getLogger } from "@logtape/logtape";
import { resolvedWithin } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import { MAX_TIMER_MS } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import { describeTrouble } from "../call/server_trouble.ts";
import type { Route } from "../edge/http_handler.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import type { Slot } from "../upstream/slot.ts";
import type { SessionAccess } from "./call_control.ts";
import { allowMethod } from "./route_guards.ts";
import type { ServerRouteSources } from "./server_routes.ts";

const log = getLogger(["exai", "upstream"]);

/** How long calls in flight may go on in a process that is restarted. */
const RESTART_GRACE_MS = 30 * SECOND_MS;

/** How long a process may take to end once it was told to. */
const END_MS = 10 * SECOND_MS;

/** A process that an action was about. */
interface ActedOnProcess extends JsonObject {
  pid?: number;
  share_key: string;
  sessions: string[];
  /** Calls that ran in it. */
  inflight: number;
}

/** What an action on a server has done. */
export interface ServerActionAnswer extends JsonObject {
  server: string;
  /** Processes that ended, or end once they are idle. */
  ended: ActedOnProcess[];
  /** Processes that were started in their place. */
  started: ActedOnProcess[];
  /** Why one could not be started, each in a sentence. */
  failed: string[];
}

/** What the actions need of servers and sessions. */
type ServerActionSources = Pick<ServerRouteSources, "servers" | "sessions" | "troubleOf" | "unmounted">;

/** More names than these are no help in an error. */
const MAX_NAMED = 20;

const QUERY_NAMES = ["name", "key"];

type ServerAction = (
  server: MountedServer,
  slots: readonly Slot[],
  sessions: SessionAccess,
) => Promise<Pick<ServerActionAnswer, "started" | "failed">>;

/** `POST /servers/restart?name[&key]`, and `park` and `stop`; `key` is the share key of one process. */
export function serverActionRoutes(sources: ServerActionSources): [string, Route][] {
  const actions: Record<string, ServerAction> = { restart, park, stop };
  return Object.entries(actions).map(([what, act]) => [
    `/servers/${what}`,
    allowMethod("POST", async ({ url }) => {
      const query = new URL(url).searchParams;
      checkNames(query);
      const server = serverNamed(query.get("name") ?? "", sources);
      const slots = slotsOf(server, { key: query.get("key"), isStop: act === stop });
      const ended = slots.map(rowOf);
      log.info("{server}: {what} of {count} processes was asked for", {
        server: server.name,
        what,
        count: ended.length,
      });
      return Response.json({ server: server.name, ended, ...await act(server, slots, sources.sessions) });
    }),
  ]);
}

/** Has calls in flight end, and starts a process for those that the one before has served. */
async function restart(server: MountedServer, slots: readonly Slot[], sessions: SessionAccess) {
  server.resetBackoff();
  const callers = slots.length > 0 ? slots.flatMap((slot) => [...slot.callers]) : lastUsed(server, sessions);
  for (const slot of slots) server.retireSlot(slot, RESTART_GRACE_MS);
  // Not at the same time: many servers keep others from a file or a port while they run.
  await Promise.all(slots.map((slot) => resolvedWithin(endOf(slot), RESTART_GRACE_MS + END_MS)));
  const results = await Promise.allSettled(callers.map((caller) => startFor(server, caller)));
  const started = new Set(results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []));
  const failed = results.flatMap((result) => result.status === "rejected" ? [messageOf(result.reason)] : []);
  return { started: Array.from(started, rowOf), failed: [...new Set(failed)] };
}

/** Ends processes once they are idle; the next call starts one. */
function park(server: MountedServer, slots: readonly Slot[]) {
  for (const slot of slots) server.retireSlot(slot, MAX_TIMER_MS);
  return Promise.resolve({ started: [], failed: [] });
}

/** Ends processes now; their calls fail. */
async function stop(server: MountedServer, slots: readonly Slot[]) {
  for (const slot of slots) server.end(slot);
  await Promise.all(slots.map((slot) => resolvedWithin(endOf(slot), END_MS)));
  return { started: [], failed: [] };
}

async function endOf({ instance }: Slot): Promise<void> {
  await instance.then(({ ended }) => ended).catch(() => {});
}

async function startFor(server: MountedServer, caller: Caller): Promise<Slot> {
  const slot = await server.slotFor(caller);
  await slot.instance;
  return slot;
}

/** The session that a server which does not run is started for: the one that was used last. */
function lastUsed({ name }: MountedServer, sessions: SessionAccess): Caller[] {
  return [...sessions]
    .filter(({ isConnected, server }) => isConnected && (server === undefined || server === name))
    .sort((a, b) => b.lastUsedMs - a.lastUsedMs)
    .slice(0, 1);
}

function rowOf({ started, keyHash, sessionIds }: Slot): ActedOnProcess {
  return { pid: started?.pid, share_key: keyHash, sessions: sessionIds, inflight: started?.inflight ?? 0 };
}

/** @throws {ExaiError} `RESOURCE_NOT_FOUND` for a key that no process has */
function slotsOf(server: MountedServer, { key, isStop }: { key: string | null; isStop: boolean }): Slot[] {
  const slots = [...server.slots, ...(isStop ? server.retiring : [])];
  if (key === null) return slots;
  const found = slots.filter(({ keyHash }) => keyHash === key);
  if (found.length > 0) return found;
  const keys = slots.map(({ keyHash }) => keyHash);
  const there = keys.length === 0 ? "none runs" : listed(keys);
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `server ${quoteName(server.name)} has no process with the key ${quoteName(key)}${
      didYouMean(key, keys)
    }; ${there}`,
  );
}

/**
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with cause and remedy for an entry that no server was made of;
 *   `RESOURCE_NOT_FOUND` for a name that mcp.json does not have
 */
function serverNamed(
  name: string,
  { servers, troubleOf, unmounted }: ServerActionSources,
): MountedServer {
  const server = servers().find((server) => server.name === name);
  if (server) return server;
  const trouble = unmounted().includes(name) ? troubleOf(name) : undefined;
  if (trouble) throw new ExaiError("UPSTREAM_UNAVAILABLE", describeTrouble(trouble));
  const names = [...servers().map((server) => server.name), ...unmounted()];
  const there = names.length === 0 ? "none is mounted" : listed(names);
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `no server ${quoteName(name)} is mounted${didYouMean(name, names)}; ${there}`,
  );
}

function listed(names: readonly string[]): string {
  if (names.length <= MAX_NAMED) return `there are: ${names.join(", ")}`;
  return `there are ${names.length}, which exai-daemon ps shows`;
}

/** @throws {ExaiError} `INVALID_PARAMS` for a misspelt parameter, without which every process would be meant */
function checkNames(query: URLSearchParams): void {
  for (const name of query.keys()) {
    // A token may be there for clients that cannot set headers.
    if (QUERY_NAMES.includes(name) || name === "token") continue;
    throw new ExaiError(
      "INVALID_PARAMS",
      `an action on a server has no ${quoteName(name)}${didYouMean(name, QUERY_NAMES)}; allowed: ${
        QUERY_NAMES.join(", ")
      }`,
    );
  }
}
