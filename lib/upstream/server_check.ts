import { delay } from "@std/async/delay";
import { resolvedWithin } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
import type { Era } from "../wire/client_claim.ts";
import type { Instance } from "./instance/instance.ts";
import { capabilityOf } from "./lists/list_cache.ts";
import type { MountedServer } from "./mounted_server.ts";

/** How a server answered when it was asked whether it works. */
interface ServerCheck extends JsonObject {
  /** The name and version it has given itself. */
  implementation: string;
  version: string;
  /** The MCP revision spoken with it. */
  protocol: string;
  /** Whether that is spoken after an `initialize` (`legacy`) or without (`modern`). */
  era: Era;
  pid?: number;
  /** How long it took to start; undefined where a process of it ran already. */
  start_ms?: number;
  /** How long it took to answer `ping`; undefined where it does not, as some servers that work. */
  answer_ms?: number;
  /** How many entries each of its lists has; a list that it has not got is left out. */
  lists: { [kind: string]: number };
}

const KINDS: readonly ListKind[] = ["tools", "prompts", "resources", "templates"];

/** How long a server that has started may take to answer `ping`. */
const ANSWER_TIMEOUT_MS = 5 * SECOND_MS;

const START_POLL_MS = 10;

/**
 * Has `server` answer: a process is started for `caller`, unless one that it shares runs, and asked for a `ping` and each
 * of its lists. A process that was started for this ends again.
 *
 * @param caller not used for anything else afterwards: it is detached
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE`, naming the server, when it cannot be started or does not answer
 */
export async function checkServer(server: MountedServer, caller: Caller): Promise<ServerCheck> {
  // Somebody wants to know now, and not when the next attempt is due.
  server.resetBackoff();
  const beganAt = new Date();
  try {
    return await check(server, caller, beganAt);
  } finally {
    const used = Array.from(server.slots).filter((slot) => slot.hasSession(caller));
    server.detach(caller);
    for (const slot of used) if (!slot.started || slot.started.startedAt >= beganAt) slot.stopUnused();
  }
}

async function check(server: MountedServer, caller: Caller, beganAt: Date): Promise<ServerCheck> {
  const beganAtMs = monotonicNow();
  const stopped = new AbortController();
  const pinged = ping(server, caller, stopped.signal);
  const instance = await untilStarted(server, caller, pinged);
  const startedAtMs = monotonicNow();
  const isStart = instance.startedAt >= beganAt;
  const answeredAtMs = await resolvedWithin(pinged, ANSWER_TIMEOUT_MS);
  stopped.abort();
  const lists = await countLists(instance, { name: server.name, isStart });
  if (answeredAtMs === undefined && !isStart && Object.keys(lists).length === 0) {
    throw silent(server, `a ping has not been answered within ${ANSWER_TIMEOUT_MS / SECOND_MS} s`);
  }
  const { serverInfo } = instance.description;
  const { era, revision } = instance.speaks;
  return {
    implementation: serverInfo.name,
    version: serverInfo.version,
    protocol: revision,
    era,
    pid: instance.pid,
    start_ms: isStart ? Math.round(startedAtMs - beganAtMs) : undefined,
    answer_ms: answeredAtMs === undefined ? undefined : Math.max(0, Math.round(answeredAtMs - startedAtMs)),
    lists,
  };
}

function silent({ name }: MountedServer, why: string): ExaiError {
  return new ExaiError("UPSTREAM_UNAVAILABLE", `server "${name}" does not answer: ${why}`, {
    details: { server: name },
  });
}

/** The process that serves `caller`, once it has started; `pinged` settles when it has answered, or cannot be started. */
async function untilStarted(
  server: MountedServer,
  caller: Caller,
  pinged: Promise<unknown>,
): Promise<Instance> {
  let isOver = false;
  pinged.catch(() => {}).finally(() => isOver = true);
  while (!isOver) {
    const instance = instanceOf(server, caller);
    if (instance) return instance;
    await delay(START_POLL_MS);
  }
  await pinged;
  const instance = instanceOf(server, caller);
  if (instance) return instance;
  throw silent(server, "it ended as soon as it had answered a ping");
}

function instanceOf({ slots }: MountedServer, caller: Caller): Instance | undefined {
  return Array.from(slots).find((slot) => slot.hasSession(caller))?.started;
}

/** When `server` has answered; an error is an answer too, as a server need not know the method. */
async function ping(server: MountedServer, caller: Caller, signal: AbortSignal): Promise<number> {
  await server.target({
    method: "ping",
    params: {},
    caller,
    signal,
    progressToken: undefined,
    notify: () => {},
    ask: (method, params, options) => caller.ask(method, params, options),
  });
  return monotonicNow();
}

/** The lists of a process that has just started are being read; those of one that ran before are read again. */
async function countLists(
  { description, lists }: Instance,
  { name, isStart }: { name: string; isStart: boolean },
): Promise<ServerCheck["lists"]> {
  const kinds = KINDS.filter((kind) => capabilityOf(description, kind) !== undefined);
  const counts = await Promise.all(kinds.map(async (kind) => {
    try {
      return [[kind, (await (isStart ? lists.get(kind) : lists.refresh(kind))).length] as const];
    } catch (thrown) {
      // Many servers with resources do not answer for templates; without tools a server is of no use.
      if (kind !== "tools") return [];
      const why = `server "${name}" has started and does not list its tools: ${messageOf(thrown)}`;
      throw new ExaiError("UPSTREAM_UNAVAILABLE", why, { cause: thrown, details: { server: name } });
    }
  }));
  return Object.fromEntries(counts.flat());
}
