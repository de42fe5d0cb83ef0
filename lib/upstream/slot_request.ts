import { isAbsolute } from "@std/path";
import { isObject, type JsonObject } from "../base/json.ts";
import { accountOf, choosesByDirectory } from "../config/account_choice.ts";
import { isDirectory } from "../config/path_kind.ts";
import { bindToSession, type ServerConfig } from "../config/server_config.ts";
import type { Caller } from "../call/call.ts";
import { userHome } from "../config/paths.ts";
import { withEnvFile } from "../config/session_env_file.ts";
import { formatVia, VIA_HEADER, VIA_VARIABLE } from "../wire/via.ts";
import {
  isDirectoryBound,
  type ListScope,
  listScopeOf,
  ownCapabilities,
  sharedCapabilities,
  shareKey,
  type SharingSession,
} from "./share_key.ts";
import { isForWorkspaceOnly, rootOf } from "./sharing/named_directories.ts";
import { decideShare, type Scope, type ShareDecision } from "./sharing/decide_share.ts";
import { ignoresDirectory } from "./sharing/known_servers.ts";
import type { InstanceOptions } from "./instance/instance_options.ts";
import { repositoryOf } from "./sharing/repository.ts";
import { accountPending, foldersFor } from "./sharing/required_workspace.ts";
import { locationOf, realPathOf, workspaceOf } from "./sharing/working_directory.ts";

/** Describes the instance that serves a session. */
export interface SlotRequest extends ShareDecision {
  /** Share key. */
  key: string;
  /** Bound to the session. */
  config: ServerConfig;
  session: SharingSession;
  /** Client capabilities advertised to it. */
  advertised: JsonObject;
  listScope: ListScope;
  /** What its process is told for roots; undefined: a process of one session asks its client, and sees them change. */
  roots: InstanceOptions["roots"];
  /** Whether sessions with and without roots share it only while its server is not known to ask for roots. */
  mixesRoots: boolean;
  /** For a process of one session: how far the process is shared that it left; undefined: it never shared one. */
  copyOf?: Scope;
}

/** What a slot request depends on beside the configuration and the session. */
interface SlotRequestOptions {
  /** Why the session gets its own process; undefined: it shares one. */
  isolationReason: string | undefined;
  /** Whether its client is not asked for its roots, as if it had none. Default: it is. */
  isUnasked?: boolean;
  /** Whether the server is known to ask for roots; read once the session's own are known. */
  asksRoots(): boolean;
  daemonId: string | undefined;
}

/**
 * Describes the instance of `config` that serves a session: its share key, its directory and the capabilities
 * advertised to it. Nothing is started.
 *
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server needs a directory that the session has not got, or its client
 * has yet to tell the one that says which account it has
 */
export async function slotRequestFor(
  config: ServerConfig,
  caller: Caller,
  { isolationReason, daemonId, isUnasked, ...options }: SlotRequestOptions,
): Promise<SlotRequest> {
  const roots = isUnasked ? undefined : await caller.roots();
  const named = await workspaceOf(caller, roots);
  const { workspace, rootPaths } = await locationOf(named, roots);
  const decided = decideShare(config);
  const copyOf = isolationReason === undefined ? undefined : decided.scope;
  const decision: ShareDecision = isolationReason === undefined
    ? decided
    : { scope: "session", why: isolationReason, canIsolate: false };
  const { scope } = decision;
  const areRootsMissing = roots === undefined && caller.areRootsOverdue === true;
  const place = { named, real: workspace, roots, rootPaths, areRootsMissing, isUnasked };
  const folders = foldersFor(config, place, isDirectoryBound(config, scope));
  const via = [...caller.via ?? [], ...[daemonId ?? []].flat()];
  const filled = await withAccount(await withEnvFile(config, folders.real), caller, place);
  const given = (dir: string | undefined, to = folders.real) => bindToSession(filled, dir, to);
  const bind = (...where: Parameters<typeof given>) => withVia(given(...where), via);
  const here = bind(workspace);
  const isForWorkspace = decided.scope === "project" && workspace !== undefined &&
    await isForWorkspaceOnly(config, { bound: here, workspace });
  const isBound = isDirectoryBound(here, decided.scope);
  const repository = workspace !== undefined && isBound && decided.scope === "project" &&
      ignoresDirectory(config)
    ? await repositoryOf(workspace)
    : undefined;
  // Read last, as the server may have asked meanwhile.
  const asksRoots = options.asksRoots();
  const isForRepository = repository !== undefined && !asksRoots;
  const isRootless = asksRoots && !isForWorkspace && !roots?.length;
  const session: SharingSession = isForRepository
    ? { caller, workspace: repository, isRepository: true, roots: undefined, isRootless }
    : { caller, workspace, roots, rootPaths, isRootless };
  const shared = isForRepository ? bind(repository) : here;
  const own = withDirectoryOf(shared, bind(named, folders.named));
  const bound = isOfNoProject(config, scope) ? await outsideProjects(own) : own;
  const takesRoots = isBound && !isForRepository;
  const told = roots?.length ? roots : isForWorkspace ? [rootOf(workspace, named)] : "none";
  const placeRoots = decided.scope !== "project" ? undefined : takesRoots ? told : "none";
  const advertised = scope === "session"
    ? ownCapabilities(caller, copyOf === undefined ? "own" : placeRoots)
    : sharedCapabilities(takesRoots && !isRootless);
  const listScope = listScopeOf(config, session, { scope, advertised, bound: given(session.workspace) });
  const why = isForRepository ? `${decision.why}; all working trees of a repository share it` : decision.why;
  return {
    ...decision,
    why,
    key: shareKey(shared, session, scope),
    config: bound,
    session,
    advertised,
    listScope,
    mixesRoots: scope === "project" && takesRoots && !asksRoots && !isForWorkspace,
    roots: placeRoots,
    copyOf,
  };
}

/** Whether a process of `config` is one for all windows because it is known to do the same in every directory. */
function isOfNoProject(config: ServerConfig, scope: Scope): boolean {
  return scope === "machine" && config.kind === "stdio" && config.share === "auto" &&
    config.cwd === undefined &&
    ignoresDirectory(config);
}

/**
 * `config` in the home directory: in that of a window, npx would run the package that the project has under the name, or
 * take it from a registry of the project's choice, for the windows of all others.
 */
async function outsideProjects<T extends ServerConfig>(config: T): Promise<T> {
  const home = userHome();
  const isThere = isAbsolute(home) &&
    await isDirectory(home);
  return isThere ? { ...config, cwd: home } : config;
}

/**
 * `config` with the account that a session has at its server.
 *
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` while its client has not told the directory that says which
 */
async function withAccount<T extends ServerConfig>(
  config: T,
  { client, capabilities }: Caller,
  place: { named?: string; real?: string; areRootsMissing: boolean; isUnasked?: boolean },
): Promise<T> {
  if (config.kind === "stdio" || config.accounts === undefined) return config;
  const isUntold = place.areRootsMissing || place.isUnasked === true && isObject(capabilities.roots);
  if (isUntold && choosesByDirectory(config)) throw accountPending(config);
  const directories = [place.named, place.real].filter((dir) => dir !== undefined);
  const account = await accountOf(config, { client: client?.name, directories }, realPathOf);
  return { ...config, account, accounts: undefined };
}

/**
 * `config` with the ids of the daemons that lead to its server. They are part of the share key, so that a daemon is not
 * led back to what runs here under our name.
 */
function withVia<T extends ServerConfig>(config: T, via: readonly string[]): T {
  if (via.length === 0) return config;
  return config.kind === "stdio"
    ? { ...config, env: { ...config.env, [VIA_VARIABLE]: formatVia(via) } }
    : { ...config, headers: { ...config.headers, [VIA_HEADER]: formatVia(via) } };
}

/**
 * `own`, which spells the directory as the session does (paths in its arguments must match those in the session's
 * requests), started in the real directory of `shared`: a symbolic link may have changed since.
 */
function withDirectoryOf(shared: ServerConfig, own: ServerConfig): ServerConfig {
  return own.kind === "stdio" && shared.kind === "stdio" ? { ...own, cwd: shared.cwd } : own;
}
