import { join } from "@std/path";
import { abortError } from "../base/abort.ts";
import { messageOf } from "../base/errors.ts";
import type { Repository } from "./workspace.ts";
import { isSkippedDirectory } from "./worth_reading.ts";

const MAX_LIST_BYTES = 8_000_000;
/** Most entries that {@linkcode listTree} reads. */
const MAX_ENTRIES = 20_000;
const MAX_DEPTH = 20;

/** The files below a directory. */
export interface FileListing {
  /** Absolute. With git, submodules and repositories of their own are among them, as directories. */
  paths: readonly string[];
  /** Whether there are more. */
  cut: boolean;
  /** Directories that were not entered, absolute. */
  skippedDirs: readonly string[];
}

/** A listing by git, or why there is none; without a reason there is no repository. */
type TrackedListing = FileListing | { unusable: string | undefined };

interface TrackedOptions {
  /** Opens the repository that contains the directory. */
  open(): Promise<Repository | undefined>;
  signal: AbortSignal;
}

/** The files below `dir` that git tracks, or that are untracked and not ignored. */
export async function listTracked(dir: string, { open, signal }: TrackedOptions): Promise<TrackedListing> {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  try {
    await using repository = await open();
    if (repository === undefined) return { unusable: undefined };
    const { ok, stdout, stderr, cut } = await repository.run(args, { signal, maxBytes: MAX_LIST_BYTES });
    if (!ok) return { unusable: stderr.trim() };
    // The last name ends with NUL too, unless it was cut off. A file in conflict is listed once for each stage.
    const names = new Set(stdout.split("\0").slice(0, -1));
    if (names.size === 0 && !cut) return { unusable: undefined };
    // An untracked repository ends with a slash.
    const paths = [...names].map((name) => join(dir, name.replace(/\/$/, "")));
    return { paths, cut, skippedDirs: [] };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return { unusable: messageOf(thrown) };
  }
}

/** The files below `dir`, breadth first. Symbolic links are not followed. */
export async function listTree(dir: string, signal: AbortSignal): Promise<FileListing> {
  const paths: string[] = [];
  const skippedDirs: string[] = [];
  let level = [dir];
  let seen = 0;
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: string[] = [];
    for (const parent of level) {
      if (signal.aborted) throw abortError(signal);
      try {
        for await (const entry of Deno.readDir(parent)) {
          if (++seen > MAX_ENTRIES) return { paths, cut: true, skippedDirs };
          const path = join(parent, entry.name);
          if (!entry.isDirectory) paths.push(path);
          else if (isSkippedDirectory(entry.name)) skippedDirs.push(path);
          else next.push(path);
        }
      } catch {
        skippedDirs.push(parent);
      }
    }
    level = next;
  }
  return { paths, cut: level.length > 0, skippedDirs: skippedDirs };
}
