import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject, ownEntry } from "../base/json.ts";
import { type Call, type Caller, derive } from "../call/call.ts";
import { freshnessHints, freshnessOf, leastFresh } from "../call/freshness.ts";
import { allPages } from "../call/pages.ts";
import { withPublicSkillUris } from "../call/scoped_uris.ts";
import type { Server } from "../call/server.ts";
import { CODES, toRpcError } from "../wire/codes.ts";
import type { Result } from "../wire/rpc.ts";
import type { ServerTargets } from "./server_targets.ts";

/** Identifiers of extensions that the merged catalog merges, whichever servers declare them. */
const UI = "io.modelcontextprotocol/ui";
const SKILLS = "io.modelcontextprotocol/skills";

/** Settings that two servers of one extension may differ in: what holds where either of them declares it. */
const MERGED: Readonly<Record<string, (settings: readonly JsonObject[]) => JsonObject>> = {
  [UI]: (settings) => Object.assign({}, ...settings),
  [SKILLS]: (settings) =>
    settings.some(({ directoryRead }) => directoryRead === true) ? { directoryRead: true } : {},
};

/**
 * The extensions of the merged catalog. One that is not known here is declared where a single server has it, for only
 * then it is certain whom its messages are for.
 */
export function mergedExtensions(servers: readonly Server[], caller: Caller): JsonObject {
  const declared = new Map<string, JsonObject[]>();
  for (const server of servers) {
    for (const [id, settings] of Object.entries(extensionsOf(server, caller))) {
      if (isObject(settings)) declared.set(id, [...declared.get(id) ?? [], settings]);
    }
  }
  const merged: JsonObject = {};
  for (const [id, settings] of declared) {
    const merge = ownEntry(MERGED, id);
    if (merge) merged[id] = merge(settings);
    else if (settings.length === 1) merged[id] = settings[0]!;
  }
  return merged;
}

/**
 * The answer to a request of an extension that is not known here, passed as it came to the servers that have such an
 * extension for themselves: to the next one where a server does not know the method, as nothing else says whose it is.
 *
 * @throws {ExaiError} `METHOD_NOT_FOUND` where none of them knows it
 */
export async function askExtension(
  call: Call,
  servers: readonly Server[],
  targets: ServerTargets,
): Promise<Result> {
  const declared = mergedExtensions(servers, call.caller);
  const own = Object.keys(declared).filter((id) => !Object.hasOwn(MERGED, id));
  for (const server of servers.filter((server) => own.some((id) => hasExtension(server, id, call.caller)))) {
    const answer = await targets.work(server)(call).catch((thrown): Result => ({
      error: toRpcError(thrown),
    }));
    if (answer.error?.code !== CODES.METHOD_NOT_FOUND.rpc) return answer;
  }
  throw noSuchMethod(call.method);
}

export function noSuchMethod(method: string): ExaiError {
  return new ExaiError("METHOD_NOT_FOUND", `this server has no method ${method}`);
}

/** Whether `server` is known to declare the extension `id`. */
function hasExtension(server: Server, id: string, caller: Caller): boolean {
  return isObject(extensionsOf(server, caller)[id]);
}

function extensionsOf(server: Server, caller: Caller): JsonObject {
  return server.known?.(caller).extensions ?? {};
}

/**
 * The skills of all servers that have any (SEP-2640, `skills/list`), on one page. A server that fails is left out, unless
 * all do.
 *
 * @throws {ExaiError} `METHOD_NOT_FOUND` where no server declares skills
 */
export async function listSkills(
  call: Call,
  servers: readonly Server[],
  ask: (server: Server, call: Call) => Promise<Result>,
): Promise<Result> {
  const having = servers.filter((server) => hasExtension(server, SKILLS, call.caller));
  if (having.length === 0) throw new ExaiError("METHOD_NOT_FOUND", "no server here has skills");
  const lists = await Promise.allSettled(having.map(async (server) => {
    const askPage = (params: JsonObject) => ask(server, derive(call, { params }));
    const { entries, freshness } = await allPages(askPage, { method: "skills/list", field: "skills" });
    return {
      skills: entries.filter(isObject).map((one) => withPublicSkillUris(one, server.name)),
      freshness,
    };
  }));
  const read = lists.flatMap((list) => list.status === "fulfilled" ? list.value : []);
  const [first] = lists;
  if (read.length === 0 && first?.status === "rejected") throw ExaiError.from(first.reason);
  const least = read.length === lists.length && leastFresh(read.map(({ freshness }) => freshness));
  const hints = freshnessHints(least || freshnessOf({ ttlMs: 0 })!);
  return { result: { skills: read.flatMap(({ skills }) => skills), ...hints } };
}
