import { join } from "@std/path";
import { abortError } from "../base/abort.ts";
import { SKIPPED_DIRS } from "./listing.ts";

/** More than this is no directory anybody means to show a model whole. */
const MAX_ENTRIES = 20_000;
const MAX_DEPTH = 20;

/** The files below `dir`, absolute, breadth first; symbolic links are not followed. */
export async function walkTree(dir: string, signal: AbortSignal): Promise<string[]> {
  const files: string[] = [];
  let level = [dir];
  let seen = 0;
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: string[] = [];
    for (const parent of level) {
      if (signal.aborted) throw abortError(signal);
      try {
        for await (const entry of Deno.readDir(parent)) {
          if (++seen > MAX_ENTRIES) return files;
          const path = join(parent, entry.name);
          if (entry.isFile) files.push(path);
          else if (entry.isDirectory && !SKIPPED_DIRS.has(entry.name)) next.push(path);
        }
      } catch {
        // A directory that cannot be listed hides its files, not those beside it.
      }
    }
    level = next;
  }
  return files;
}
