import { dirname, isAbsolute, join } from "@std/path";
import { ExaiError } from "../../base/errors.ts";
import { type Boundary, isWithin } from "../boundary.ts";
import { GitGuard, ifMissing, unusable } from "./guard.ts";

/** Where a repository keeps what. All paths are real. */
export interface RepositoryLocation {
  /** The top of the work tree: the directory that has `.git` in it. */
  top: string;
  /** `.git` as it lies there. */
  dotGit: string;
  gitDir: string;
  /** The same as `gitDir`, but for a linked work tree (`git worktree add`). */
  commonDir: string;
  guard: GitGuard;
  /** The session's directory, where the repository is one above it. */
  below?: string;
}

const MAX_POINTER_BYTES = 16_384;

/** How a file `.git` begins that stands for a directory elsewhere (gitrepository-layout). */
const POINTER = "gitdir: ";

/**
 * The repository `dir` lies in: found as git finds it, by `.git` alone, so a bare repository that was committed as
 * files is none.
 *
 * @throws {ExaiError} `FORBIDDEN` when git's directories lie outside the session's
 */
export async function locate(dir: string, boundary: Boundary): Promise<RepositoryLocation | undefined> {
  const home = await boundary.homeOf(dir);
  const mount = await deviceOf(dir);
  for (let top = dir;; top = dirname(top)) {
    // Git does not look beyond a mount point either.
    if (await deviceOf(top) !== mount) return undefined;
    const below = home === undefined || isWithin(top, home) ? undefined : home;
    const guard = new GitGuard(boundary, below === undefined ? undefined : top);
    const dotGit = join(top, ".git");
    const gitDir = await gitDirOf(dotGit, guard);
    if (gitDir !== undefined) {
      // Within git's own directory there is no work tree.
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

/** Where `.git` leads: itself, what a link leads to, or what the file `.git` names. */
export async function gitDirOf(dotGit: string, guard: GitGuard): Promise<string | undefined> {
  const info = await Deno.lstat(dotGit).catch(ifMissing);
  if (info === undefined) return undefined;
  const real = info.isSymlink ? await guard.resolve(dotGit, "directory .git") : dotGit;
  const { isDirectory, isFile } = info.isSymlink ? await Deno.stat(real) : info;
  // What is no repository does not hide the one above it.
  if (isDirectory) return await looksLikeGitDir(real) ? real : undefined;
  if (!isFile) throw unusable(dotGit, "is neither a directory nor a file");
  const text = await guard.text(real, MAX_POINTER_BYTES) ?? "";
  const target = text.startsWith(POINTER) ? withoutLineEnds(text.slice(POINTER.length)) : "";
  if (target === "" || target.includes("\0")) throw unusable(dotGit, 'does not say "gitdir: " and a path');
  const named = isAbsolute(target) ? target : join(dirname(dotGit), target);
  return await guard.resolve(named, "git directory, which the file .git names,");
}

/** `text` without the line ends it ends with, in linear time. */
function withoutLineEnds(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === "\n" || text[end - 1] === "\r")) end--;
  return text.slice(0, end);
}

async function looksLikeGitDir(dir: string): Promise<boolean> {
  const parts = ["HEAD", "objects", "refs"].map((part) => Deno.lstat(join(dir, part)).catch(ifMissing));
  const isMade = (await Promise.all(parts)).every((info) => info !== undefined);
  // A linked work tree's has neither objects nor references of its own.
  return isMade || await Deno.lstat(join(dir, "commondir")).catch(ifMissing) !== undefined;
}

/** The directory that the linked work tree of `gitDir` shares with others; `gitDir` itself for any other. */
export async function commonDirOf(gitDir: string, guard: GitGuard): Promise<string> {
  const text = await guard.text(join(gitDir, "commondir"), MAX_POINTER_BYTES);
  if (text === undefined) return gitDir;
  const named = withoutLineEnds(text);
  if (named === "" || named.includes("\0")) throw unusable(join(gitDir, "commondir"), "names no directory");
  return await guard.resolve(isAbsolute(named) ? named : join(gitDir, named), "common git directory");
}

/**
 * Refuses a repository that is another user's, as git itself does: who owns it could change it under our hands. Git
 * asks no further when it is told the directory, as it is here, so this asks. `trusted` are the user's own
 * `safe.directory` settings.
 *
 * @throws {ExaiError} `FORBIDDEN`
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
  // An empty value takes back the ones before it.
  const valid = trusted.slice(trusted.lastIndexOf("") + 1);
  return valid.some((dir) =>
    dir === "*" || dir === top ||
    (dir.endsWith("/*") && isWithin(top, dir.slice(0, -2)) && top !== dir.slice(0, -2))
  );
}
