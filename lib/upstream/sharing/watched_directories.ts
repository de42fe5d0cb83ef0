import { join } from "@std/path/join";

/** Directories watched in one workspace, and entries looked at to find them. */
const MAX_WATCHED = 512;
const MAX_ENTRIES = 20_000;

/** Directories that hold what tools make of a project. */
const MADE_BY_TOOLS = new Set(["node_modules", ".venv", "__pycache__", ".cache"]);

/** Directories that are watched, but nothing below them: git opens its objects by itself. */
const WATCHED_FLAT = new Set([".git"]);

/** The directories of a workspace that are watched for what a server opens. */
export interface WatchedDirectories {
  paths: readonly string[];
  /** Whether they are all: otherwise it means nothing that no file was seen to be opened. */
  areAll: boolean;
}

/** Scans that run, and how many have been begun. */
let running = 0;
let begun = 0;

/** Begins to tell whether this program lists directories itself, which is seen like any other listing. */
export function watchOwnScans(): { sawNone(): boolean } {
  const [runningBefore, begunBefore] = [running, begun];
  return { sawNone: () => runningBefore === 0 && begun === begunBefore };
}

/** `workspace` and the directories below it, the nearest first. */
export async function watchedIn(workspace: string): Promise<WatchedDirectories> {
  running++;
  begun++;
  try {
    return await scan(workspace);
  } finally {
    running--;
  }
}

async function scan(workspace: string): Promise<WatchedDirectories> {
  const paths = [workspace];
  let entries = 0;
  for (let next = 0; next < paths.length; next++) {
    const directory = paths[next]!;
    try {
      for await (const { name, isDirectory } of Deno.readDir(directory)) {
        if (++entries > MAX_ENTRIES) return { paths, areAll: false };
        if (!isDirectory || MADE_BY_TOOLS.has(name)) continue;
        if (paths.length === MAX_WATCHED) return { paths, areAll: false };
        if (!WATCHED_FLAT.has(directory.slice(directory.lastIndexOf("/") + 1))) {
          paths.push(join(directory, name));
        }
      }
    } catch {
      // It is gone, or may not be read.
    }
  }
  return { paths, areAll: true };
}
