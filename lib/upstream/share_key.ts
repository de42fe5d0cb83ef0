import { pathOfUri } from "../base/file_uri.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { type ServerConfig, type Share, usesWorkspace } from "../config/server_config.ts";
import type { Caller, Root } from "../call/call.ts";
import { KNOWN_SERVERS, type KnownServer } from "./sharing/known_servers.ts";
import { hasWords, namesOfUrl, programNames } from "./sharing/program_names.ts";

/** What one session brings to the question which process it may share. */
export interface SharingSession {
  caller: Caller;
  /** Where the session's first root or its working directory is: the real path, absolute. */
  workspace: string | undefined;
  /** As the session's client names them. */
  roots: readonly Root[] | undefined;
  /** Where they are; left out: where they say. */
  rootPaths?: readonly string[];
  /** Whether it tells no roots although the server is known to ask for them. */
  isRootless: boolean;
}

/** Which lists a session is shown: those of the processes it may be led to. */
export interface ListScope {
  /** Names the processes that show the same lists: those told the same, and where it matters in one directory. */
  listKey: string;
  /** Client capabilities they are told of. */
  advertised: JsonObject;
  /** Whom the resources they list are for. */
  resourcesFor: "everybody" | "directory" | "session";
}

/** How far a server is shared, once `auto` is decided. */
export type Scope = Exclude<Share, "auto">;

/** How far a server is shared, and why. */
export interface ShareDecision {
  scope: Scope;
  /** In a few words, for `ps --why`. */
  why: string;
  /** Whether a session may be given a process of its own where its calls must run apart from those of others. */
  canIsolate: boolean;
}

/** Decides how far `config` is shared; undefined: nothing to say. The first that says something has its way. */
type Decider = (config: ServerConfig) => ShareDecision | undefined;

/** What the user wrote wins, then what is known of the server. What is observed of one belongs before the last. */
const DECIDERS: readonly Decider[] = [asWritten, asKnown, byKind];

const decisions = new WeakMap<ServerConfig, ShareDecision>();

/** How far `config`, as the configuration file has it, is shared. */
export function decideShare(config: ServerConfig): ShareDecision {
  let decision = decisions.get(config);
  if (!decision) {
    for (const decide of DECIDERS) if ((decision = decide(config))) break;
    decisions.set(config, decision!);
  }
  return decision!;
}

function asWritten({ share }: ServerConfig): ShareDecision | undefined {
  if (share === "auto") return undefined;
  // Who writes machine wants one process, whatever comes of it; project says whose windows share, not that they must.
  return { scope: share, why: `share is ${share} in mcp.json`, canIsolate: share === "project" };
}

function asKnown(config: ServerConfig): ShareDecision | undefined {
  const known = knownServer(config);
  return known && { scope: known.share, why: known.why, canIsolate: false };
}

function byKind({ kind }: ServerConfig): ShareDecision {
  return kind === "stdio"
    ? { scope: "project", why: "a command's process serves the windows of one directory", canIsolate: true }
    : { scope: "machine", why: "one connection to a URL serves all windows", canIsolate: true };
}

/** What a window can do that a server with this configuration asked, where it might as well have asked another. */
export function refusalAdvice({ share }: ServerConfig, mayMove: boolean): string {
  if (mayMove) return "call again: windows that are asked run apart from now on";
  const alone = "call again when no other window's call runs on it";
  return share === "machine" ? `${alone}, or give it "share": "project" or "session" in mcp.json` : alone;
}

/** What the table says of the server that `config` starts or leads to. */
export function knownServer(config: ServerConfig): KnownServer | undefined {
  const names = config.kind === "stdio" ? programNames(config.command, config.args) : namesOfUrl(config.url);
  return KNOWN_SERVERS.find(({ words, isExact }) =>
    words.some((wanted) => names.some((name) => isExact ? name === wanted : hasWords(name, wanted)))
  );
}

/**
 * What a process that several windows share is told its client can do: all that one of them may be able to, whoever
 * comes first. A question a window's client cannot answer is refused in its name. Tasks are not in it: nobody can run
 * one in the name of a client that runs none.
 */
const SHARED_CAPABILITIES: JsonObject = {
  sampling: { tools: {}, context: {} },
  elicitation: { form: {}, url: {} },
};

/** What a process is told that has the roots of its place, which are part of the share key and never change. */
export const SHARED_WITH_ROOTS: JsonObject = { roots: {}, ...SHARED_CAPABILITIES };

/**
 * The client capabilities an instance is told of: those of its one window, or the union where there may be several.
 *
 * @param rootless whether it is for windows that tell no roots, and is known to ask for them
 */
export function advertisedCapabilities(
  { scope, placed, rootless }: { scope: Scope; placed: boolean; rootless: boolean },
  caller: Caller,
): JsonObject {
  if (scope !== "session") return placed && !rootless ? SHARED_WITH_ROOTS : SHARED_CAPABILITIES;
  const own: JsonObject = {};
  for (const name of ["roots", "sampling", "elicitation", "tasks", "experimental", "extensions"]) {
    const capability = caller.capabilities[name];
    if (isObject(capability)) own[name] = capability;
  }
  return own;
}

/** Whether it matters to the server in which directory its sessions are. */
export function isDirectoryBound(config: ServerConfig, scope: Scope): boolean {
  return scope === "session" || scope === "project" && !config.cwdFree;
}

/**
 * Names the process a tenant may share: two tenants with the same key get the same process. `config` is bound to the
 * session by now, so its command, arguments, environment, URL and headers are those the process really gets. What a
 * client can do is not part of it: all windows of one place share one process. Only of a server that asks for roots, and
 * may do something else without any, windows that tell none have a process of their own.
 */
export function shareKey(config: ServerConfig, tenant: SharingSession, scope: Scope): string {
  const { caller } = tenant;
  const what = whatRuns(config, scope);
  const where = scope === "project" && isDirectoryBound(config, scope) ? locationKey(tenant) : [];
  const who = scope === "session" ? [caller.id] : [];
  return JSON.stringify([what, where, who]);
}

/**
 * Names what the processes of single sessions have in common that are made alike: whether one starts says something of
 * the others. What a client can do is part of it, for each is told of its own.
 */
export function processGroupKey(
  config: ServerConfig,
  { workspace }: SharingSession,
  told: JsonObject,
): string {
  return JSON.stringify(["each session", whatRuns(config, "session"), workspace ?? null, sorted(told)]);
}

function whatRuns(config: ServerConfig, scope: Scope) {
  if (config.kind !== "stdio") return [config.kind, config.url, sorted(config.headers)];
  const cwd = scope === "machine" || config.cwdFree ? null : config.cwd;
  return [config.command, config.args, sorted(config.env), cwd];
}

/**
 * Which processes of `config`, as the configuration file has it, show the lists that the process a tenant is led to
 * shows: those that are told the same and, where a server may look around, run in the same directory.
 */
export function listScopeOf(
  config: ServerConfig,
  tenant: SharingSession,
  { scope, told }: { scope: Scope; told: JsonObject },
): ListScope {
  const isLocal = scope === "session" || isDirectoryBound(config, scope) || usesWorkspace(config);
  const where = isLocal ? locationKey(tenant) : null;
  return {
    listKey: JSON.stringify([told, where]),
    advertised: told,
    resourcesFor: scope === "session" ? "session" : isLocal ? "directory" : "everybody",
  };
}

/** The place of a tenant: its directory, its roots where they are more than that, and on whose behalf it is there. */
function locationKey(tenant: SharingSession) {
  const { workspace, roots, isRootless: rootless } = tenant;
  // By what they lead to, however that is written and whatever name a client gives it.
  const places = tenant.rootPaths ?? roots?.map(({ uri }) => pathOfUri(uri).path ?? uri) ?? [];
  const isPlain = places.length === 0 || places.length === 1 && places[0] === workspace;
  // As with what is kept (call/owner.ts): two users, or certificates, are in no place together.
  return [workspace ?? null, isPlain ? rootless : places, tenant.caller.principal ?? null];
}

function sorted(record: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(record).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}
