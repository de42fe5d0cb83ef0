import { isAbsolute } from "@std/path";
import { pathOfUri } from "../base/file_uri.ts";
import { userHome } from "../config/paths.ts";
import type { SessionDirectories } from "../session/ownership.ts";
import { isTop } from "./boundary.ts";

/**
 * The real path of the directory a session works in: of its client's first root, or of its working directory where
 * there is no root, or none of this machine. A program started from nowhere in particular (the desktop, a service) has
 * the top of the disk or the home directory, which is no workspace: windows of different work would meet there.
 */
export async function findWorkspace({ cwd, roots }: SessionDirectories): Promise<string | undefined> {
  const home = await realDirectory(userHome());
  const root = roots?.[0] && pathOfUri(roots[0].uri);
  for (const named of [root?.path, cwd]) {
    const real = named === undefined ? undefined : await realDirectory(named);
    if (real !== undefined) return isTop(real) || real === home ? undefined : real;
  }
  return undefined;
}

async function realDirectory(path: string): Promise<string | undefined> {
  if (!isAbsolute(path)) return undefined;
  return await Deno.realPath(path).catch(() => undefined);
}
