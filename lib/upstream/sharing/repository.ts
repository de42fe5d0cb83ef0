import { basename, dirname, join, resolve } from "@std/path";
import { pathOfUri } from "../../base/file_uri.ts";
import { KIB } from "../../base/units.ts";
import { readRegularFile } from "../../config/regular_file.ts";
import { whyNoWorkspace } from "../../config/shared_directories.ts";
import { sharedLook } from "./shared_look.ts";

/** A pointer of git is one path. */
const MAX_POINTER_BYTES = 32 * KIB;

/**
 * The directory that stands for the repository `workspace` is a working tree of: the main working tree, or the common
 * directory of a repository without one; `workspace` itself where it is no linked working tree (gitrepository-layout(5)).
 *
 * Git is not run, and `.git` is not believed: whoever writes it could name another repository. Its common directory must
 * name this working tree in return.
 *
 * @param workspace a real path
 */
export async function repositoryOf(workspace: string): Promise<string> {
  // All looks together.
  const looked = sharedLook(`repository of ${workspace}`, () => mainOf(workspace));
  const main = await looked.catch(() => undefined);
  return main === undefined || whyNoWorkspace(main) !== undefined ? workspace : main;
}

/** Undefined for a directory that is no linked working tree. */
async function mainOf(workspace: string): Promise<string | undefined> {
  const pointer = join(workspace, ".git");
  const [, target] = /^gitdir: (.+)$/.exec(await readPointer(pointer) ?? "") ?? [];
  const gitDir = target && await realPath(workspace, target);
  if (!gitDir || basename(dirname(gitDir)) !== "worktrees") return undefined;
  const common = dirname(dirname(gitDir));
  const [back, named] = await Promise.all(["gitdir", "commondir"].map(async (name) => {
    const path = await readPointer(join(gitDir, name));
    return path && await realPath(gitDir, path);
  }));
  if (back !== pointer || named !== common) return undefined;
  return basename(common) === ".git" ? dirname(common) : common;
}

/** The line in a small regular file; undefined for anything else. */
async function readPointer(path: string): Promise<string | undefined> {
  const { isFile, size } = await Deno.lstat(path);
  return isFile && size <= MAX_POINTER_BYTES ? (await readRegularFile(path)).trimEnd() : undefined;
}

/** The real path of `path`, which may be relative to `dir`; undefined for one on another machine. */
async function realPath(dir: string, path: string): Promise<string | undefined> {
  const plain = pathOfUri(resolve(dir, path)).path;
  return plain === undefined ? undefined : await Deno.realPath(plain);
}
