import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { isAbsolute } from "@std/path/is-absolute";
import { join } from "@std/path/join";

/** Entries of this version have no whole paths. */
const COMPRESSED = 4;
const HEADER_BYTES = 12;
/** The low bits of an entry's flags; a longer name has all of them set. */
const MAX_LENGTH = 0xfff;

/**
 * Whether the file at `path` is tracked by git, so that others get what is written into it. The index is searched for its
 * name; no program of the repository's is run.
 */
export async function isTracked(path: string): Promise<boolean> {
  // The directory may be reached by a link from outside of the repository.
  const file = join(await Deno.realPath(dirname(path)).catch(() => dirname(path)), basename(path));
  for (let dir = dirname(file), child = file; dir !== child; child = dir, dir = dirname(dir)) {
    const indexes = await indexesOf(dir);
    if (indexes.length === 0) continue;
    const name = file.slice(dir.length).replace(/^[/\\]+/, "").replaceAll("\\", "/");
    return indexes.some((index) => lists(index, name));
  }
  return false;
}

/** The index of the repository whose working tree is `dir`, with those it may share entries with; none where it is none. */
async function indexesOf(dir: string): Promise<Uint8Array[]> {
  const git = join(dir, ".git");
  const info = await Deno.stat(git).catch(() => undefined);
  if (!info) return [];
  const link = info.isFile ? /^gitdir: (.+)$/m.exec(await Deno.readTextFile(git))?.[1]?.trim() : git;
  const gitDir = link === undefined || isAbsolute(link) ? link : join(dir, link);
  if (gitDir === undefined) return [];
  const names = await Array.fromAsync(Deno.readDir(gitDir), ({ name }) => name).catch(() => []);
  const indexes = names.filter((name) => name === "index" || name.startsWith("sharedindex."));
  const read = await Promise.all(
    indexes.map((name) => Deno.readFile(join(gitDir, name)).catch(() => undefined)),
  );
  return read.filter((index) => index !== undefined && index.length > HEADER_BYTES) as Uint8Array[];
}

function lists(index: Uint8Array, name: string): boolean {
  const version = new DataView(index.buffer, index.byteOffset).getUint32(4);
  if (version >= COMPRESSED) return true;
  const wanted = new TextEncoder().encode(`${name}\0`);
  const length = Math.min(wanted.length - 1, MAX_LENGTH);
  // The length of the name stands before it; another entry's name may only end like it.
  const isLength = (at: number) => at > 0 && (index[at]! << 8 & MAX_LENGTH | index[at + 1]!) === length;
  for (let at = index.indexOf(wanted[0]!); at >= 0; at = index.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, i) => index[at + i] === byte) && (isLength(at - 2) || isLength(at - 4))) {
      return true;
    }
  }
  return false;
}
