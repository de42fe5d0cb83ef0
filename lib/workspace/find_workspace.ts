import { isAbsolute } from "@std/path";
import { pathOfUri } from "../base/file_uri.ts";
import { whyNoWorkspace } from "../config/shared_directories.ts";
import type { SessionDirectories } from "../session/ownership.ts";

/**
 * The real path of the directory a session works in: the client's first root, or the working directory when there is no
 * root on this machine. The root of the disk and home directories are not workspaces: programs started by the desktop or a
 * service have them, and unrelated windows would share one.
 */
export async function findWorkspace({ cwd, roots }: SessionDirectories): Promise<string | undefined> {
  const root = roots?.[0] && pathOfUri(roots[0].uri);
  for (const named of [root?.path, cwd]) {
    const real = named === undefined ? undefined : await realDirectory(named);
    if (real !== undefined) return whyNoWorkspace(real) === undefined ? real : undefined;
  }
  return undefined;
}

async function realDirectory(path: string): Promise<string | undefined> {
  if (!isAbsolute(path)) return undefined;
  return await Deno.realPath(path).catch(() => undefined);
}
