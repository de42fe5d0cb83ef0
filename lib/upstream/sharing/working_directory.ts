import { clip } from "../../base/text.ts";
import { getLogger } from "@logtape/logtape";
import { pathOfUri } from "../../base/file_uri.ts";
import { SECOND_MS } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import type { Caller, Root } from "../../call/call.ts";
import { LOOK_TIMEOUT_MS, sharedLook, sharedStat } from "./shared_look.ts";

const log = getLogger(["exai", "upstream"]);

/** Roots checked at most, as a client may name any number. */
export const MAX_ROOTS_TRIED = 20;
const MAX_SHOWN_CHARS = 200;

/** The real paths of a session, which decide who shares a process. */
interface SessionLocation {
  /** Undefined for a session without a directory. */
  workspace: string | undefined;
  /** The real paths of its roots; undefined when it has none. */
  rootPaths: readonly string[] | undefined;
}

/**
 * The real paths of `workspace`, from {@linkcode workspaceOf}, and `roots`. One directory has many spellings: symbolic
 * links, a trailing slash, other case on a case-insensitive disk.
 */
export async function locationOf(
  workspace: string | undefined,
  roots: readonly Root[] | undefined,
): Promise<SessionLocation> {
  const [real, rootPaths] = await Promise.all([
    workspace === undefined ? undefined : realPathOf(workspace),
    roots && Promise.all(roots.map(({ uri }, i) => {
      const { path } = pathOfUri(uri);
      return path === undefined || i >= MAX_ROOTS_TRIED ? path ?? uri : realPathOf(path);
    })),
  ]);
  return { workspace: real, rootPaths };
}

/** The real path of `path`; if it cannot be resolved, `path` in normal form. */
export async function realPathOf(path: string): Promise<string> {
  // Never resolves a path on another machine: that would send it this user's name.
  const plain = pathOfUri(path).path;
  if (plain === undefined) return path;
  return await sharedLook(`real path of ${plain}`, () => Deno.realPath(plain)).catch(() => plain);
}

/** The last warning of each session about its roots, so that only one server sends it. */
const warnings = new WeakMap<Caller, string>();

/**
 * The directory servers run in for a session: its first root that is a directory on this machine, else its working
 * directory. Unusable roots are logged and reported to the client.
 */
export async function workspaceOf(
  caller: Caller,
  roots: readonly Root[] | undefined,
): Promise<string | undefined> {
  const unusable: string[] = [];
  // All at once, as each may take as long as the time-out.
  const tried = (roots ?? []).slice(0, MAX_ROOTS_TRIED).map(({ uri }) => {
    const { path, why } = pathOfUri(uri);
    return { uri, path, looked: path === undefined ? why : whyNoDirectory(path) };
  });
  for (const { uri, path, looked } of tried) {
    const fault = await looked;
    if (fault === undefined) {
      warnOfRoots(caller, { unusable, instead: path });
      return path;
    }
    unusable.push(`${visible(clip(uri, MAX_SHOWN_CHARS))} (${visible(fault)})`);
  }
  warnOfRoots(caller, { unusable, instead: caller.cwd });
  return caller.cwd;
}

function warnOfRoots(
  caller: Caller,
  what: { unusable: readonly string[]; instead: string | undefined },
): void {
  if (what.unusable.length === 0) return;
  const instead = what.instead === undefined
    ? "and has no working directory, so its servers run without one"
    : `so its servers run in ${what.instead}`;
  const data = `this window's roots cannot be used: ${what.unusable.join("; ")}; ${instead}`;
  if (warnings.get(caller) === data) return;
  warnings.set(caller, data);
  log.warning("session {id}: {data}", { id: caller.id, data });
  caller.notify("notifications/message", { level: "warning", logger: "exai", data });
}

async function whyNoDirectory(path: string): Promise<string | undefined> {
  try {
    const { isDirectory } = await sharedStat(path);
    return isDirectory ? undefined : "it is no directory";
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return "there is no such directory here";
    if (thrown instanceof DOMException) return `it does not answer within ${LOOK_TIMEOUT_MS / SECOND_MS} s`;
    return "it cannot be looked at";
  }
}
