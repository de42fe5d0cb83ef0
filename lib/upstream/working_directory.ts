import { clip } from "../base/text.ts";
import { getLogger } from "@logtape/logtape";
import { withDeadline } from "../base/abort.ts";
import { pathOfUri } from "../base/file_uri.ts";
import type { ServerConfig } from "../config/server_config.ts";
import { SECOND_MS } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import type { Caller, Root } from "../call/call.ts";

const log = getLogger(["exai", "upstream"]);

/** A directory that cannot be looked at for so long is on a disk or network that hangs. */
const LOOK_TIMEOUT_MS = 2 * SECOND_MS;
/** A client may name any number of roots; servers run in one of the first. */
const MAX_ROOTS_TRIED = 20;
const MAX_SHOWN_CHARS = 200;

/** Where a session is, whatever names it has for that: by this it is decided who shares a process. */
interface WorkingDirectory {
  /** Undefined for a session that has told no directory. */
  workspace: string | undefined;
  /** Where its roots lead; undefined when it has none to tell. */
  places: readonly string[] | undefined;
}

/**
 * Where `workspace`, as {@linkcode workspaceOf} gives it, and `roots` are. One directory has many names: symbolic links
 * in its path, a slash at its end, letters in another case where the disk takes them for the same.
 */
export async function locationOf(
  workspace: string | undefined,
  roots: readonly Root[] | undefined,
): Promise<WorkingDirectory> {
  const [real, places] = await Promise.all([
    workspace === undefined ? undefined : realPathOf(workspace),
    roots && Promise.all(roots.map(({ uri }, i) => {
      const { path } = pathOfUri(uri);
      // A client may name any number; each look may take its time.
      return path === undefined || i >= MAX_ROOTS_TRIED ? path ?? uri : realPathOf(path);
    })),
  ]);
  return { workspace: real, places };
}

/** The real path of what `path` names; where that cannot be found out, `path` without what makes no difference in it. */
export async function realPathOf(path: string): Promise<string> {
  // What names another machine is not looked at: that would send it this user's name.
  const plain = pathOfUri(path).path;
  if (plain === undefined) return path;
  return await withDeadline(Deno.realPath(plain), { timeoutMs: LOOK_TIMEOUT_MS }).catch(() => plain);
}

/** What each session has been told of its roots, so that it is told once and not by every server. */
const told = new WeakMap<Caller, string>();

/**
 * The directory servers run in for a session: the first of its roots that is a directory here, else its working
 * directory. Which roots cannot be used is told to the log and to the window.
 */
export async function workspaceOf(
  caller: Caller,
  roots: readonly Root[] | undefined,
): Promise<string | undefined> {
  const unusable: string[] = [];
  for (const { uri } of (roots ?? []).slice(0, MAX_ROOTS_TRIED)) {
    const { path, why } = pathOfUri(uri);
    const fault = path === undefined ? why : await whyNoDirectory(path);
    if (fault === undefined) {
      tell(caller, { unusable, instead: path });
      return path;
    }
    unusable.push(`${visible(clip(uri, MAX_SHOWN_CHARS))} (${visible(fault)})`);
  }
  tell(caller, { unusable, instead: caller.cwd });
  return caller.cwd;
}

function tell(caller: Caller, what: { unusable: readonly string[]; instead: string | undefined }): void {
  if (what.unusable.length === 0) return;
  const instead = what.instead === undefined
    ? "and has no working directory, so its servers run without one"
    : `so its servers run in ${what.instead}`;
  const data = `this window's roots cannot be used: ${what.unusable.join("; ")}; ${instead}`;
  if (told.get(caller) === data) return;
  told.set(caller, data);
  log.warning("session {id}: {data}", { id: caller.id, data });
  caller.notify("notifications/message", { level: "warning", logger: "exai", data });
}

async function whyNoDirectory(path: string): Promise<string | undefined> {
  try {
    const { isDirectory } = await withDeadline(Deno.stat(path), { timeoutMs: LOOK_TIMEOUT_MS });
    return isDirectory ? undefined : "it is no directory";
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return "there is no such directory here";
    if (thrown instanceof DOMException) return `it does not answer within ${LOOK_TIMEOUT_MS / SECOND_MS} s`;
    return "it cannot be looked at";
  }
}

/**
 * `own`, which names the directory of the window that starts the server as that window does: its paths must be those the
 * window's requests hold. But it starts in the real directory, by which `shared` names the same server for all: the
 * system tells a process that one in any case, and a link that leads elsewhere by then must not lead it there.
 */
export function startedIn(own: ServerConfig, shared: ServerConfig): ServerConfig {
  return own.kind === "stdio" && shared.kind === "stdio" ? { ...own, cwd: shared.cwd } : own;
}
