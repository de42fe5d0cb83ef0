import { dirname, isAbsolute, join } from "@std/path";
import { ExaiError } from "../../base/errors.ts";
import { isWithin } from "../../base/directories.ts";
import type { PathBoundary } from "../boundary.ts";
import { GitGuard, ifMissing, unusable } from "./git_guard.ts";

/** The directories of a repository. All paths are real. */
export interface RepositoryLocation {
  /** The top of the work tree: the directory that contains `.git`. */
  top: string;
  /** `.git` in `top`: a directory, a link or a file. */
  dotGit: string;
  gitDir: string;
  /** The same as `gitDir`, except in a linked work tree (`git worktree add`). */
  commonDir: string;
  guard: GitGuard;
  /** The session's directory, when the top of the repository is above it. */
  below?: string;
}

const MAX_POINTER_BYTES = 16_384;

/** The prefix of a file `.git` that names a directory elsewhere (gitrepository-layout(5)). */
const POINTER = "gitdir: ";

/**
 * Finds the repository that contains `dir` as git does, but by `.git` alone: a bare repository that was committed as
 * files is none.
 *
 * @throws {ExaiError} `FORBIDDEN` when git's directories are outside the session's; `INVALID_PARAMS` when `.git` is
 * damaged
 */
export async function locate(dir: string, boundary: PathBoundary): Promise<RepositoryLocation | undefined> {
  const home = await boundary.homeOf(dir);
  const mount = await deviceOf(dir);
  for (let top = dir;; top = dirname(top)) {
    // Git does not cross a mount point either.
    if (await deviceOf(top) !== mount) return undefined;
    const below = home === undefined || isWithin(top, home) ? undefined : home;
    const guard = new GitGuard(boundary, below === undefined ? undefined : top);
    const dotGit = join(top, ".git");
    const gitDir = await gitDirOf(dotGit, guard);
    if (gitDir !== undefined) {
      // Git's own directory is not a work tree.
      if (isWithin(dir, gitDir)) return undefined;
      const commonDir = await commonDirOf(gitDir, guard);
      return { top, dotGit, gitDir, commonDir, guard, below };
    }
    if (dirname(top) === top) return undefined;
  }
}

async function deviceOf(dir: string): Promise<number | undefined> {
  return (await Deno.lstat(dir).catch(() => undefined))?.dev;
}

/** The git directory of `.git`: itself, the target of the link, or the path in the file; undefined when missing. */
export async function gitDirOf(dotGit: string, guard: GitGuard): Promise<string | undefined> {
  const info = await Deno.lstat(dotGit).catch(ifMissing);
  if (info === undefined) return undefined;
  const real = info.isSymlink ? await guard.resolve(dotGit, "directory .git") : dotGit;
  const { isDirectory, isFile } = info.isSymlink ? await Deno.stat(real) : info;
  // A directory that is not a repository does not hide the repository above it.
  if (isDirectory) return await looksLikeGitDir(real) ? real : undefined;
  if (!isFile) throw unusable(dotGit, "is neither a directory nor a file");
  const text = await guard.text(real, MAX_POINTER_BYTES) ?? "";
  const target = text.startsWith(POINTER) ? withoutLineEnds(text.slice(POINTER.length)) : "";
  if (target === "" || target.includes("\0")) throw unusable(dotGit, 'does not say "gitdir: " and a path');
  const named = isAbsolute(target) ? target : join(dirname(dotGit), target);
  return await guard.resolve(named, "git directory, which the file .git names,");
}

/** `text` without trailing line ends, in linear time (a regular expression could backtrack). */
function withoutLineEnds(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === "\n" || text[end - 1] === "\r")) end--;
  return text.slice(0, end);
}

async function looksLikeGitDir(dir: string): Promise<boolean> {
  const parts = ["HEAD", "objects", "refs"].map((part) => Deno.lstat(join(dir, part)).catch(ifMissing));
  const isComplete = (await Promise.all(parts)).every((info) => info !== undefined);
  // The git directory of a linked work tree has neither objects nor references.
  return isComplete || await Deno.lstat(join(dir, "commondir")).catch(ifMissing) !== undefined;
}

/** The common directory of a linked work tree; `gitDir` itself for any other. */
export async function commonDirOf(gitDir: string, guard: GitGuard): Promise<string> {
  const text = await guard.text(join(gitDir, "commondir"), MAX_POINTER_BYTES);
  if (text === undefined) return gitDir;
  const named = withoutLineEnds(text);
  if (named === "" || named.includes("\0")) throw unusable(join(gitDir, "commondir"), "names no directory");
  return await guard.resolve(isAbsolute(named) ? named : join(gitDir, named), "common git directory");
}

/**
 * Rejects a repository of another user, who could change it at any time, as git does. Git skips that check when GIT_DIR
 * is set, as it is here. `trusted` are the values of the user's `safe.directory`.
 *
 * @throws {ExaiError} `FORBIDDEN` when another user owns it
 */
export async function checkOwner(
  { top, dotGit, gitDir }: RepositoryLocation,
  trusted: readonly string[],
): Promise<void> {
  const own = Deno.uid();
  if (own === null || isTrusted(top, trusted)) return;
  const owners = await Promise.all([top, dotGit, gitDir].map(async (path) => (await Deno.lstat(path)).uid));
  if (owners.every((uid) => uid === own)) return;
  throw new ExaiError(
    "FORBIDDEN",
    `git detected dubious ownership in repository at '${top}': it belongs to another user. If you trust it: ` +
      `git config --global --add safe.directory '${top}'`,
  );
}

function isTrusted(top: string, trusted: readonly string[]): boolean {
  // An empty value resets the list.
  const valid = trusted.slice(trusted.lastIndexOf("") + 1);
  return valid.some((dir) =>
    dir === "*" || dir === top ||
    (dir.endsWith("/*") && isWithin(top, dir.slice(0, -2)) && top !== dir.slice(0, -2))
  );
}
