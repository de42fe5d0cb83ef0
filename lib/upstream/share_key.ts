import { pathOfUri } from "../base/file_uri.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { type ServerConfig, type Share, usesWorkspace } from "../config/server_config.ts";
import type { Caller, Root } from "../call/call.ts";
import { KNOWN_SERVERS, type KnownServer } from "./sharing/known_servers.ts";
import { hasWords, namesOfUrl, programNames } from "./sharing/program_names.ts";

/** The facts about one session that decide which process it may share. */
export interface SharingSession {
  caller: Caller;
  /** Real, absolute path of the session's first root or its working directory. */
  workspace: string | undefined;
  /** As the session's client names them. */
  roots: readonly Root[] | undefined;
  /** Real paths of `roots`; left out: the paths in their URIs. */
  rootPaths?: readonly string[];
  /** Whether it has no roots although the server is known to ask for them. */
  isRootless: boolean;
}

/** Which processes show the same lists. */
export interface ListScope {
  /** Same for processes with the same capabilities and, where it matters, in the same directory. */
  listKey: string;
  /** Client capabilities advertised to them. */
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
  /** Whether a session may get its own process where its calls must run apart from those of others. */
  canIsolate: boolean;
}

/** Decides how far `config` is shared; undefined: leaves that to the next one. */
type Decider = (config: ServerConfig) => ShareDecision | undefined;

/** In order of precedence: the user's configuration, the table of known servers, a default by kind. */
const DECIDERS: readonly Decider[] = [asConfigured, asKnown, byKind];

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

function asConfigured({ share }: ServerConfig): ShareDecision | undefined {
  if (share === "auto") return undefined;
  // `machine` asks for one process in any case; `project` allows sharing but does not demand it.
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

/** What to do when a question of this server was refused because it could not be attributed to one session. */
export function refusalAdvice({ share }: ServerConfig, canIsolate: boolean): string {
  if (canIsolate) return "call again: windows that are asked run apart from now on";
  const alone = "call again when no other window's call runs on it";
  return share === "machine" ? `${alone}, or give it "share": "project" or "session" in mcp.json` : alone;
}

/** The entry of {@linkcode KNOWN_SERVERS} for the server that `config` starts or leads to. */
export function knownServer(config: ServerConfig): KnownServer | undefined {
  const names = config.kind === "stdio" ? programNames(config.command, config.args) : namesOfUrl(config.url);
  return KNOWN_SERVERS.find(({ words, isExact }) =>
    words.some((wanted) => names.some((name) => isExact ? name === wanted : hasWords(name, wanted)))
  );
}

/**
 * Advertised to a process that several sessions share: everything any of their clients may offer, as the process
 * outlives each of them. A question one client cannot answer is rejected on its behalf. Tasks are left out: the daemon
 * cannot run one on behalf of a client.
 */
const SHARED_CAPABILITIES: JsonObject = {
  sampling: { tools: {}, context: {} },
  elicitation: { form: {}, url: {} },
};

/** Advertised to a shared process whose sessions have the same roots: these are part of its share key. */
const SHARED_WITH_ROOTS: JsonObject = { roots: {}, ...SHARED_CAPABILITIES };

/**
 * The client capabilities advertised to an instance: those of its only session, or the union for a shared one.
 *
 * @param isBound whether the instance is bound to a directory, see {@linkcode isDirectoryBound}
 * @param isRootless whether its sessions have no roots although the server is known to ask for them
 */
export function advertisedCapabilities(
  { scope, isBound, isRootless }: { scope: Scope; isBound: boolean; isRootless: boolean },
  caller: Caller,
): JsonObject {
  if (scope !== "session") return isBound && !isRootless ? SHARED_WITH_ROOTS : SHARED_CAPABILITIES;
  const own: JsonObject = {};
  for (const name of ["roots", "sampling", "elicitation", "tasks", "experimental", "extensions"]) {
    const capability = caller.capabilities[name];
    if (isObject(capability)) own[name] = capability;
  }
  return own;
}

/** Whether instances of `config` serve only sessions of one directory. */
export function isDirectoryBound(config: ServerConfig, scope: Scope): boolean {
  return scope === "session" || scope === "project" && !config.cwdFree;
}

/**
 * Names the process that serves a session: sessions with the same key share one. `config` is bound to the session, so
 * its command, arguments, environment, URL and headers are what the process gets. Client capabilities are not part of
 * the key, except that a server which asks for roots has a separate process for sessions without roots.
 */
export function shareKey(config: ServerConfig, session: SharingSession, scope: Scope): string {
  const what = whatRuns(config, scope);
  const where = scope === "project" && isDirectoryBound(config, scope) ? locationKey(session) : [];
  const who = scope === "session" ? [session.caller.id] : [];
  return JSON.stringify([what, where, who]);
}

/**
 * Names a group of processes, each of one session, that run the same with the same capabilities: whether one of them
 * starts tells whether the others would.
 */
export function processGroupKey(
  config: ServerConfig,
  { workspace }: SharingSession,
  advertised: JsonObject,
): string {
  return JSON.stringify([
    "each session",
    whatRuns(config, "session"),
    workspace ?? null,
    sorted(advertised),
  ]);
}

function whatRuns(config: ServerConfig, scope: Scope) {
  if (config.kind !== "stdio") return [config.kind, config.url, sorted(config.headers)];
  const cwd = scope === "machine" || config.cwdFree ? null : config.cwd;
  return [config.command, config.args, sorted(config.env), cwd];
}

/** The scope of the lists a session is shown of `config`, which is as the configuration file has it. */
export function listScopeOf(
  config: ServerConfig,
  session: SharingSession,
  { scope, advertised }: { scope: Scope; advertised: JsonObject },
): ListScope {
  const isLocal = scope === "session" || isDirectoryBound(config, scope) || usesWorkspace(config);
  const where = isLocal ? locationKey(session) : null;
  return {
    listKey: JSON.stringify([advertised, where]),
    advertised,
    resourcesFor: scope === "session" ? "session" : isLocal ? "directory" : "everybody",
  };
}

/** The directory of a session, its roots where they are more than that, and its principal. */
function locationKey({ caller, workspace, roots, rootPaths, isRootless }: SharingSession) {
  // Paths rather than URIs: clients spell and name the same root differently.
  const paths = rootPaths ?? roots?.map(({ uri }) => pathOfUri(uri).path ?? uri) ?? [];
  const isPlain = paths.length === 0 || paths.length === 1 && paths[0] === workspace;
  // As in call/owner.ts: different users or certificates never share.
  return [workspace ?? null, isPlain ? isRootless : paths, caller.principal ?? null];
}

function sorted(record: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(record).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}
