import { ExaiError, messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
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
  pid?: number;
  /** How long it took to start; undefined where a process of it ran already. */
  start_ms?: number;
  /** How long it took to answer `ping`. */
  answer_ms: number;
  /** How many entries each of its lists has; a list that it has not got is left out. */
  lists: { [kind: string]: number };
}

const KINDS: readonly ListKind[] = ["tools", "prompts", "resources", "templates"];

/** How long a server that has started may take to answer `ping`. */
const ANSWER_TIMEOUT_MS = 10 * SECOND_MS;

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
    const firstMs = await ping(server, caller, server.startTimeoutMs + ANSWER_TIMEOUT_MS);
    const instance = instanceOf(server, caller);
    const isStart = instance.startedAt >= beganAt;
    const { serverInfo, protocolVersion } = instance.description;
    return {
      implementation: serverInfo.name,
      version: serverInfo.version,
      protocol: protocolVersion,
      pid: instance.pid,
      start_ms: isStart ? firstMs : undefined,
      answer_ms: isStart ? await ping(server, caller, ANSWER_TIMEOUT_MS) : firstMs,
      lists: await countLists(instance, { name: server.name, isStart }),
    };
  } finally {
    const used = Array.from(server.slots).filter((slot) => slot.hasSession(caller));
    server.detach(caller);
    for (const slot of used) if (!slot.started || slot.started.startedAt >= beganAt) slot.stopUnused();
  }
}

function instanceOf({ name, slots }: MountedServer, caller: Caller): Instance {
  const instance = Array.from(slots).find((slot) => slot.hasSession(caller))?.started;
  if (instance) return instance;
  throw new ExaiError("UPSTREAM_UNAVAILABLE", `server "${name}" ended as soon as it had answered`, {
    details: { server: name },
  });
}

/** How long `server` takes to answer; a server need not know the method, so that an error is an answer too. */
async function ping(server: MountedServer, caller: Caller, timeoutMs: number): Promise<number> {
  const silent = new AbortController();
  const why = `server "${server.name}" does not answer: it was sent a ping and has said nothing for ` +
    `${timeoutMs / SECOND_MS} s`;
  const timer = setTimeout(() => silent.abort(new ExaiError("UPSTREAM_UNAVAILABLE", why)), timeoutMs);
  const sentAtMs = monotonicNow();
  try {
    await server.target({
      method: "ping",
      params: {},
      caller,
      signal: silent.signal,
      progressToken: undefined,
      notify: () => {},
      ask: (method, params, options) => caller.ask(method, params, options),
    });
    return Math.round(monotonicNow() - sentAtMs);
  } finally {
    clearTimeout(timer);
  }
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
