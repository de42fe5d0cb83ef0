import { dirname } from "@std/path/dirname";
import { isAbsolute } from "@std/path/is-absolute";
import { join } from "@std/path/join";

/** Entries of this version have no whole paths. */
const COMPRESSED = 4;

/**
 * Whether the file at `path` is tracked by git, so that others get what is written into it. The index is searched for its
 * name; no program of the repository's is run.
 */
export async function isTracked(path: string): Promise<boolean> {
  for (let dir = dirname(path), child = path; dir !== child; child = dir, dir = dirname(dir)) {
    const index = await indexOf(dir);
    if (index === undefined) continue;
    const version = new DataView(index.buffer, index.byteOffset).getUint32(4);
    if (version >= COMPRESSED) return true;
    const name = path.slice(dir.length).replace(/^[/\\]+/, "").replaceAll("\\", "/");
    return holds(index, new TextEncoder().encode(`${name}\0`));
  }
  return false;
}

/** The index of the repository whose working tree is `dir`; undefined where it is none. */
async function indexOf(dir: string): Promise<Uint8Array | undefined> {
  const git = join(dir, ".git");
  const info = await Deno.stat(git).catch(() => undefined);
  if (!info) return undefined;
  const link = info.isFile ? /^gitdir: (.+)$/m.exec(await Deno.readTextFile(git))?.[1]?.trim() : git;
  const gitDir = link === undefined || isAbsolute(link) ? link : join(dir, link);
  const index = gitDir && await Deno.readFile(join(gitDir, "index")).catch(() => undefined);
  return index && index.length > 12 ? index : undefined;
}

function holds(bytes: Uint8Array, wanted: Uint8Array): boolean {
  for (let at = bytes.indexOf(wanted[0]!); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return true;
  }
  return false;
}
