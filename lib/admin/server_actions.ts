import { getLogger } from "@logtape/logtape";
import { resolvedWithin } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import { describeTrouble } from "../call/server_trouble.ts";
import type { Route } from "../edge/http_handler.ts";
import { concerns, knownPlaceOf } from "../upstream/audience.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import type { ProcessRecord } from "../upstream/process_records.ts";
import type { Slot } from "../upstream/slot.ts";
import type { SessionAccess } from "./call_control.ts";
import { allowMethod } from "./route_guards.ts";
import { serverNames, type ServerRouteSources } from "./server_routes.ts";

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
  /** Calls that ran in it, or waited for it. */
  inflight: number;
}

/** What an action on a server has done. */
export interface ServerActionAnswer extends JsonObject {
  server: string;
  /** Processes that ended, or end once they are idle. */
  ended: ActedOnProcess[];
  /** Processes that were started in their place. */
  started: ActedOnProcess[];
  /** What could not be done: a process that does not start, or does not end. */
  failed: string[];
}

/** What the actions need of servers and sessions. */
type ServerActionSources = Pick<ServerRouteSources, "servers" | "sessions" | "troubleOf" | "unmounted">;

/** More names than these are no help in an error. */
const MAX_NAMED = 20;

/** A restart under way. */
interface PendingRestart {
  /** Undefined: of every process. */
  key: string | undefined;
  /** What it ends, and then what it starts: without those that somebody has parked or stopped meanwhile. */
  slots: Set<Slot>;
  /** Nothing is left of it to do: others do not join it. */
  isCancelled: boolean;
  answer: Promise<ServerActionAnswer>;
}

/** What an action is about. */
interface ActionTarget {
  server: MountedServer;
  /** Share key of one process. */
  key: string | undefined;
  /** Its processes, also those that end already. */
  slots: readonly Slot[];
}

/** `POST /servers/restart?name[&key]`, and `park` and `stop`; `key` is the share key of one process. */
export function serverActionRoutes(sources: ServerActionSources): [string, Route][] {
  const actions = new ServerActions(sources.sessions);
  return (["restart", "park", "stop"] as const).map((what) => [
    `/servers/${what}`,
    allowMethod("POST", async ({ url }) => {
      const query = new URL(url).searchParams;
      const server = serverNamed(query.get("name") ?? "", sources);
      const key = query.get("key") ?? undefined;
      const slots = slotsOf(server, key);
      log.info("{server}: {what} of {count} processes was asked for", {
        server: server.name,
        what,
        count: slots.length,
      });
      return Response.json(await actions[what]({ server, key, slots }));
    }),
  ]);
}

/** One of the owner's actions at a time for each process: a restart joins one that waits, and a stop or park ends it. */
class ServerActions {
  readonly #sessions: SessionAccess;
  readonly #restarts = new WeakMap<MountedServer, Set<PendingRestart>>();

  constructor(sessions: SessionAccess) {
    this.#sessions = sessions;
  }

  /** Has calls in flight end, and starts a process for those that the one before has served. */
  restart(target: ActionTarget): Promise<ServerActionAnswer> {
    const { server, key, slots } = target;
    const pending = this.#pending(server);
    const same = pending.values().find((one) => includes(one, target));
    if (same) return same.answer;
    const restart = { key, slots: new Set(slots), isCancelled: false };
    const joined: PendingRestart = Object.assign(restart, {
      answer: this.#restart(target, restart).finally(() => pending.delete(joined)),
    });
    pending.add(joined);
    return joined.answer;
  }

  /** Ends processes once they are idle; the next call starts one. */
  park(target: ActionTarget): ServerActionAnswer {
    this.#cancelRestarts(target);
    const ended = target.slots.map(rowOf);
    for (const slot of target.slots) target.server.park(slot);
    return answerOf(target, { ended });
  }

  /** Ends processes now; their calls fail. */
  async stop(target: ActionTarget): Promise<ServerActionAnswer> {
    const { server, slots } = target;
    this.#cancelRestarts(target);
    const ended = slots.map(rowOf);
    const late = await Promise.all(slots.map((slot) => unlessEnded(slot, server.halt(slot))));
    return answerOf(target, { ended, failed: late.flat() });
  }

  async #restart(
    target: ActionTarget,
    restart: Pick<PendingRestart, "slots" | "isCancelled">,
  ): Promise<ServerActionAnswer> {
    const { server, key, slots } = target;
    const ended = slots.map(rowOf);
    const record = recordOf(server, key);
    server.resetBackoff(key);
    const late = await Promise.all(slots.map((slot) => this.#endFor(restart, server, slot)));
    if (restart.isCancelled) {
      return answerOf(target, { ended, failed: ["it was stopped or parked meanwhile"] });
    }
    const callers = slots.length > 0
      ? [...restart.slots].flatMap((slot) => [...slot.callers])
      : await lastUsed(server, record, this.#sessions);
    restart.slots.clear();
    const failed = late.flat();
    if (callers.length === 0) {
      failed.push("no window is open that it could be started for; the next call starts it");
    }
    const results = await Promise.allSettled(callers.map((caller) => startFor(server, caller, restart)));
    const started = new Set(results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []));
    failed.push(
      ...results.flatMap((result) => result.status === "rejected" ? [messageOf(result.reason)] : []),
    );
    return answerOf(target, { ended, started: Array.from(started, rowOf), failed: [...new Set(failed)] });
  }

  /** Ends `slot`, with time for its calls, and says so if it has not ended; nothing starts another beside it, unless a call comes meanwhile. */
  async #endFor(
    { slots }: Pick<PendingRestart, "slots">,
    server: MountedServer,
    slot: Slot,
  ): Promise<string[]> {
    // In one that is starting nothing runs: the calls that wait for it go on in the next.
    if (slot.started) {
      server.park(slot);
      await resolvedWithin(slot.started.ended, RESTART_GRACE_MS);
    }
    // Many servers keep others from a file or a port while they run.
    return slots.has(slot) ? await unlessEnded(slot, server.end(slot)) : [];
  }

  #pending(server: MountedServer): Set<PendingRestart> {
    let pending = this.#restarts.get(server);
    if (!pending) this.#restarts.set(server, pending = new Set());
    return pending;
  }

  #cancelRestarts({ server, key, slots }: ActionTarget): void {
    for (const restart of this.#restarts.get(server) ?? []) {
      const taken = slots.filter((slot) => restart.slots.delete(slot));
      if (key === undefined || taken.length > 0 && restart.slots.size === 0) restart.isCancelled = true;
    }
  }
}

/** Whether `restart` does all that one of `target` would. */
function includes(restart: PendingRestart, { key, slots }: ActionTarget): boolean {
  const isOfIt = restart.key === key || restart.key === undefined && slots.length > 0;
  return isOfIt && !restart.isCancelled && slots.every((slot) => restart.slots.has(slot));
}

function answerOf(
  { server }: ActionTarget,
  { ended, started = [], failed = [] }: Partial<ServerActionAnswer> & Pick<ServerActionAnswer, "ended">,
): ServerActionAnswer {
  return { server: server.name, ended, started, failed };
}

/** What is said of a process that was told to end and has not done so in time. */
async function unlessEnded({ started }: Slot, ending: Promise<void>): Promise<string[]> {
  if (await resolvedWithin(ending.then(() => true), END_MS)) return [];
  return [`process ${started?.pid ?? "that was starting"} has not ended within ${END_MS / SECOND_MS} s`];
}

async function startFor(
  server: MountedServer,
  caller: Caller,
  { slots }: Pick<PendingRestart, "slots">,
): Promise<Slot> {
  const slot = await server.slotFor(caller);
  slots.add(slot);
  await slot.instance;
  return slot;
}

/** The session that a server, or its process of `record`, which does not run is started for: the one used last. */
async function lastUsed(
  { name }: MountedServer,
  record: ProcessRecord | undefined,
  sessions: SessionAccess,
): Promise<Caller[]> {
  const open = [...sessions]
    .filter(({ isConnected, server }) => isConnected && (server === undefined || server === name))
    .sort((a, b) => b.lastUsedMs - a.lastUsedMs);
  // A probe is in no window's directory: any has what it was to read.
  if (!record || record.isProbe) return open.slice(0, 1);
  for (const session of open) {
    const roots = session.rootsState === "known" ? await session.roots() : undefined;
    if (concerns(record.audience, session, await knownPlaceOf(session, roots))) return [session];
  }
  return [];
}

function recordOf({ records }: MountedServer, key: string | undefined): ProcessRecord | undefined {
  return [...records].find(({ keyHash }) => keyHash === key);
}

function rowOf({ started, keyHash, sessionIds, calls }: Slot): ActedOnProcess {
  return { pid: started?.pid, share_key: keyHash, sessions: sessionIds, inflight: calls.size };
}

/**
 * None for the key of a process that has failed.
 *
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` for a key that no process has or had
 */
function slotsOf(server: MountedServer, key: string | undefined): Slot[] {
  const slots = [...server.slots, ...server.retiring];
  if (key === undefined) return slots;
  const found = slots.filter(({ keyHash }) => keyHash === key);
  if (found.length > 0 || recordOf(server, key)) return found;
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
function serverNamed(name: string, sources: ServerActionSources): MountedServer {
  const { servers, troubleOf, unmounted } = sources;
  const server = servers().find((server) => server.name === name);
  if (server) return server;
  const trouble = unmounted().includes(name) ? troubleOf(name) : undefined;
  if (trouble) throw new ExaiError("UPSTREAM_UNAVAILABLE", describeTrouble(trouble));
  const names = serverNames(sources);
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
