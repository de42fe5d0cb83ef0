import { pathOfUri } from "../base/file_uri.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { DEFAULT_ACCOUNT } from "../config/account_choice.ts";
import { type ServerConfig, type UrlServerConfig, usesWorkspace } from "../config/server_config.ts";
import type { Caller, Root } from "../call/call.ts";
import { principalOf } from "../call/owner.ts";
import { wellFormedCapabilities } from "../wire/client_capabilities.ts";
import { digestOf, sortedEntries } from "./server_identity.ts";
import type { Scope } from "./sharing/decide_share.ts";
export { decideShare, type Scope } from "./sharing/decide_share.ts";
import { knownServer } from "./sharing/known_servers.ts";

/** The facts about one session that decide which process it may share. */
export interface SharingSession {
  caller: Caller;
  /** Real, absolute path of the session's first root or its working directory. */
  workspace: string | undefined;
  /** Whether `workspace` stands for all working trees of its repository, the session's among them. */
  isRepository?: boolean;
  /** As the session's client names them. */
  roots: readonly Root[] | undefined;
  /** Real paths of `roots`; left out: the paths in their URIs. */
  rootPaths?: readonly string[];
  /** Whether it has no roots although the server is known to ask for them, and means other directories without. */
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
  /** Same for processes that are given the same variables, headers and arguments on behalf of the same principal. */
  credentials: string;
  /** The account at the server that they show the lists of; undefined for a command. */
  account?: string;
  /** The directory of its sessions, where what is shown may depend on it. */
  directory?: string;
  /** The daemons its sessions are connected through, if any: what a daemon that is mounted lists depends on them. */
  via?: readonly string[];
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

/** The client capabilities advertised to a process of several sessions: the union of what their clients can do. */
export function sharedCapabilities(withRoots: boolean): JsonObject {
  return withRoots ? SHARED_WITH_ROOTS : SHARED_CAPABILITIES;
}

/** Passed on to a process of one session. `experimental` says nothing that a server can rely on. */
const OWN_CAPABILITIES = ["sampling", "elicitation", "tasks", "extensions"];

/**
 * The client capabilities advertised to a process of one session. It is told the roots of its client (`own`), or, where
 * it was started beside a shared one, the same roots as that: these, or none.
 */
export function ownCapabilities(
  { capabilities }: Caller,
  roots: "own" | "none" | readonly Root[] | undefined,
): JsonObject {
  const own: JsonObject = {};
  if (roots === "own" && isObject(capabilities.roots)) own.roots = capabilities.roots;
  if (Array.isArray(roots)) own.roots = {};
  for (const name of OWN_CAPABILITIES) {
    const capability = capabilities[name];
    if (isObject(capability)) own[name] = capability;
  }
  // An empty capability means form mode (MCP client/elicitation).
  if (isObject(own.elicitation) && Object.keys(own.elicitation).length === 0) own.elicitation = { form: {} };
  // What its own era does not know may be malformed for the server's.
  return wellFormedCapabilities(own);
}

/** Whether instances of `config` serve only sessions of one directory. */
export function isDirectoryBound(config: ServerConfig, scope: Scope): boolean {
  return scope === "session" || scope === "project" && !config.cwdFree;
}

/**
 * Names the process that serves a session: sessions with the same key share one. `config` is bound to the session, so
 * its command, arguments, environment, URL and headers are what the process gets. Client capabilities are not part of
 * the key; sessions without roots are apart (`isRootless`) where the entry is for other directories than the workspace.
 */
export function shareKey(config: ServerConfig, session: SharingSession, scope: Scope): string {
  const what = whatRuns(config, scope);
  const where = scope === "project" && isDirectoryBound(config, scope) ? locationKey(session) : [];
  return JSON.stringify([what, where, whoShares(config, session.caller, scope)]);
}

/**
 * The only session, or the only window of an editor, that a process serves; a client of no known window is one. What runs
 * for all windows with the user's credentials serves no other principal, unless the user wrote so or it must be one.
 */
function whoShares(config: ServerConfig, caller: Caller, scope: Scope): string[] {
  const { id, window } = caller;
  if (scope === "window" && window) return ["window", window.key, principalOf(caller)];
  if (scope === "session" || scope === "window") return [id];
  const isForAll = scope !== "machine" || config.kind !== "stdio" || config.share !== "auto" ||
    knownServer(config)?.exclusive;
  return isForAll ? [] : ["principal", principalOf(caller)];
}

/**
 * Names a group of processes, each of one session, that run the same: whether one of them starts tells whether the
 * others would, whatever their clients can do.
 */
export function processGroupKey(config: ServerConfig, { workspace }: SharingSession): string {
  return JSON.stringify(["each session", whatRuns(config, "session"), workspace ?? null]);
}

function whatRuns(config: ServerConfig, scope: Scope) {
  if (config.kind !== "stdio") return whatIsReached(config);
  // The sub-agents of a window work in directories of their own.
  const cwd = scope === "machine" || scope === "window" || config.cwdFree ? null : config.cwd;
  return [config.command, config.args, sortedEntries(config.env), cwd];
}

/** Left out where there is none: what was kept before there were accounts stays good. */
function whatIsReached({ kind, url, headers, account = DEFAULT_ACCOUNT, headersHelper }: UrlServerConfig) {
  const parts: unknown[] = [kind, url, sortedEntries(headers)];
  if (account !== DEFAULT_ACCOUNT || headersHelper) parts.push(account);
  if (headersHelper) parts.push(headersHelper);
  return parts;
}

/**
 * The scope of the lists a session is shown of `config`, which is as the configuration file has it.
 *
 * @param bound what the session's process or connection is given
 */
export function listScopeOf(
  config: ServerConfig,
  session: SharingSession,
  { scope, advertised, bound }: { scope: Scope; advertised: JsonObject; bound: ServerConfig },
): ListScope {
  const isOwn = scope === "session" || scope === "window";
  const isLocal = isOwn || isDirectoryBound(config, scope) || usesWorkspace(config);
  const where = isLocal ? locationKey(session) : null;
  const via = session.caller.via?.length ? session.caller.via : undefined;
  const credentials = credentialsOf(bound, session.caller);
  return {
    listKey: JSON.stringify([advertised, where, credentials, ...via ?? []]),
    advertised,
    credentials,
    ...bound.kind === "stdio" ? {} : { account: bound.account ?? DEFAULT_ACCOUNT },
    resourcesFor: isOwn ? "session" : isLocal ? "directory" : "everybody",
    directory: isLocal ? session.workspace : undefined,
    via,
  };
}

/** A digest, as there are secrets in it; arguments and addresses may hold some too. In whatever directory it runs. */
function credentialsOf(bound: ServerConfig, caller: Caller): string {
  return digestOf(JSON.stringify([whatRuns(bound, "machine"), principalOf(caller)]));
}

/** The directory of a session, its roots where they are more than that, and its principal. */
function locationKey({ caller, workspace, roots, rootPaths, isRootless }: SharingSession) {
  // Paths rather than URIs: clients spell and name the same root differently.
  const paths = rootPaths ?? roots?.map(({ uri }) => pathOfUri(uri).path ?? uri) ?? [];
  const isPlain = paths.length === 0 || paths.length === 1 && paths[0] === workspace;
  // As in call/owner.ts: different users or certificates never share.
  return [workspace ?? null, isPlain ? isRootless : paths, principalOf(caller)];
}
