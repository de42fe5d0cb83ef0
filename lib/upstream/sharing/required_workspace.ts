import { ExaiError } from "../../base/errors.ts";
import { pathOfUri } from "../../base/file_uri.ts";
import { quoteName } from "../../base/text.ts";
import { SECOND_MS } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import type { Root } from "../../call/call.ts";
import { type ServerConfig, workspaceUses } from "../../config/server_config.ts";
import { whyNoWorkspace } from "../../config/shared_directories.ts";
import { baseNameOf, folderOf, type SessionFolders } from "../../config/workspace_variables.ts";
import { isDirectoryBound } from "../share_key.ts";
import { decideShare } from "./decide_share.ts";
import { MAX_ROOTS_TRIED } from "./working_directory.ts";

/** Where a session works, as its client spells it and in real paths. */
interface SessionPlace {
  /** Its workspace as it is named; undefined: it has named none. */
  named: string | undefined;
  real: string | undefined;
  roots: readonly Root[] | undefined;
  /** Real paths of `roots`. */
  rootPaths: readonly string[] | undefined;
  /** Whether its client has roots and did not tell them in time. */
  areRootsMissing: boolean;
}

/** Stable names of what is missing, in `data.reason` of the error. */
type MissingDirectory = "workspace_required" | "roots_pending" | "no_such_root";

/** What variables stand for in the entry of a server, spelled as the client does and in real paths. */
interface PlaceFolders {
  named: SessionFolders;
  real: SessionFolders;
}

/** What an error and the instructions of a window advise. */
export const DIRECTORY_ADVICE =
  'open a folder in the client, or set an absolute "cwd" in the entry, or write an absolute path there ' +
  '(with "share": "machine", if one process may serve all windows)';

/**
 * Why the server of `config` is not started for a client of which `cwd` is all that is known, in a clause; undefined: it
 * is started.
 */
export function whyNotStarted(config: ServerConfig, cwd: string | undefined): string | undefined {
  const why = cwd === undefined ? "" : whyNoWorkspace(cwd);
  const use = workspaceUses(config, isDirectoryBound(config, decideShare(config).scope))
    .find(({ folder }) => folder === undefined);
  return use && why !== undefined
    ? `it uses ${use.what} in mcp.json, and ${describePlace(cwd, why)}`
    : undefined;
}

function describePlace(named: string | undefined, why: string | undefined): string {
  return named === undefined
    ? "this client has told no directory"
    : `the directory of this client is ${visible(named)}, ${why}`;
}

/** When a client that has not told its roots may have told them. */
const ROOTS_RETRY_MS = SECOND_MS;

/**
 * The directories of a session that variables in `config` stand for.
 *
 * @param isBound whether its process serves the sessions of one directory only
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with a {@linkcode MissingDirectory} when `config` needs a directory that the
 * session has not got: none at all, or the root of the disk or a home directory, which nobody chose to share
 */
export function foldersFor(config: ServerConfig, place: SessionPlace, isBound: boolean): PlaceFolders {
  const why = place.real === undefined ? undefined : whyNoWorkspace(place.real);
  const folders = foldersOf(place);
  for (const { what, folder } of workspaceUses(config, isBound)) {
    const subject = `server "${config.title}" uses ${what} in mcp.json`;
    if (place.areRootsMissing) throw rootsPending(config, subject);
    if (folder !== undefined) checkRoot({ config, subject, folder }, folders.real);
    else if (place.real === undefined || why !== undefined) {
      const where = describePlace(why === undefined ? undefined : place.named, why);
      throw missing(
        config,
        "workspace_required",
        `${subject}, and ${where}; it was not started: ${DIRECTORY_ADVICE}`,
      );
    }
  }
  const [named, real] = why === undefined ? [place.named, place.real] : [];
  return {
    named: { workspace: named, folders: folders.named },
    real: { workspace: real, folders: folders.real },
  };
}

/** A window whose directory says which account it has gets none before its client has told that. */
export function accountPending(config: ServerConfig): ExaiError {
  return rootsPending(config, `server "${config.title}" has accounts by directory in mcp.json`);
}

function rootsPending(config: ServerConfig, subject: string): ExaiError {
  const why = "this client has not told its roots yet (it does not answer roots/list)";
  return missing(
    config,
    "roots_pending",
    `${subject}, and ${why}; it was not started: call again`,
    ROOTS_RETRY_MS,
  );
}

function checkRoot(
  { config, subject, folder }: { config: ServerConfig; subject: string; folder: string },
  folders: SessionFolders["folders"],
): void {
  const path = folderOf({ isBaseName: false, folder, fallback: undefined }, {
    workspace: undefined,
    folders,
  });
  if (path === undefined) {
    const names = folders.map(({ names: [name = ""] }) => quoteName(visible(name))).join(", ") || "none";
    const advice = `open that folder in the client, or name one of its roots: ${names}`;
    throw missing(config, "no_such_root", `${subject}, and no root of this client has that name; ${advice}`);
  }
  const why = whyNoWorkspace(path);
  if (why === undefined) return;
  throw missing(
    config,
    "workspace_required",
    `${subject}, which is ${why}; it was not started: ${DIRECTORY_ADVICE}`,
  );
}

function missing(
  { title }: ServerConfig,
  reason: MissingDirectory,
  message: string,
  retryAfterMs?: number,
): ExaiError {
  const details = { server: title, fault: "caller", reason };
  return new ExaiError("UPSTREAM_UNAVAILABLE", message, { details, retryAfterMs });
}

function foldersOf({ named, real, roots, rootPaths }: SessionPlace) {
  const own = named === undefined ? [] : [{ names: [baseNameOf(named)], path: named, real: real ?? named }];
  const found = (roots ?? []).slice(0, MAX_ROOTS_TRIED).flatMap(({ uri, name }, i) => {
    const { path } = pathOfUri(uri);
    if (path === undefined) return [];
    const names = [...typeof name === "string" ? [name] : [], baseNameOf(path)];
    return [{ names, path, real: rootPaths?.[i] ?? path }];
  });
  const all = found.length > 0 ? found : own;
  return {
    named: all.map(({ names, path }) => ({ names, path })),
    real: all.map(({ names, real }) => ({ names, path: real })),
  };
}
