import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";

/**
 * Whether the file at `path` stands in its directory. Looking is cheap; building the error of a missing file takes a
 * tenth of the time a shim needs to start.
 */
export function isListed(path: string): boolean {
  const wanted = basename(path);
  try {
    for (const { name } of Deno.readDirSync(dirname(path))) if (name === wanted) return true;
  } catch {
    // A directory that cannot be listed has nothing to read.
  }
  return false;
}
