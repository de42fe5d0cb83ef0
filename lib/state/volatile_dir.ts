import { basename, join } from "@std/path";
import { listOrphanedTails, listTails } from "./journal/tail.ts";

/** The file in a volatile directory that names the home of its daemon. */
const HOME_FILE = "home";

/**
 * Creates or reuses the volatile directory, on a file system in memory that a reboot clears, where the daemon of `home` keeps the tail of its journal.
 * Its file `home` names that home, so that a later daemon can clear the directory once the home is gone.
 *
 * @returns false when the directory is not, or cannot be made, private to this user
 */
export function openVolatileDir(dir: string, home: string): boolean {
  // Opening a named pipe would wait for its other end.
  if (!ensurePrivateDir(dir) || isOtherThanFile(join(dir, HOME_FILE))) return false;
  try {
    Deno.writeTextFileSync(join(dir, HOME_FILE), home, { mode: 0o600 });
    return true;
  } catch {
    return false;
  }
}

/** Removes a volatile directory unless it holds a tail. */
export function removeVolatileDir(dir: string): void {
  try {
    if (listTails(dir).length > 0) return;
    Deno.removeSync(join(dir, HOME_FILE));
    Deno.removeSync(dir);
  } catch {
    // Another daemon has written a tail since, or the directory is gone.
  }
}

/** The home that a volatile directory belongs to; undefined when it names none. */
export function homeOf(dir: string): string | undefined {
  try {
    const path = join(dir, HOME_FILE);
    return isOtherThanFile(path) ? undefined : Deno.readTextFileSync(path) || undefined;
  } catch {
    return undefined;
  }
}

/** The directories in `base` whose names begin with `prefix` and that only this user can have written to. */
export function volatileDirs(base: string, prefix: string): string[] {
  try {
    return Array.from(Deno.readDirSync(base), ({ name }) => join(base, name))
      .filter((dir) => basename(dir).startsWith(prefix) && isPrivateDir(dir));
  } catch {
    return [];
  }
}

/** Removes the directory and the tails of ended daemons; false when a running daemon has a tail there. */
export function discardVolatileDir(dir: string): boolean {
  if (listOrphanedTails(dir).length < listTails(dir).length) return false;
  Deno.removeSync(dir, { recursive: true });
  return true;
}

/** Moves the tails of ended daemons to `home`, where its next daemon finds them, and removes the directory. */
export function moveTails(dir: string, home: string): void {
  for (const { name, path } of listOrphanedTails(dir)) {
    const target = join(home, name);
    // Copied, since a rename does not cross file systems; under another name until complete.
    Deno.copyFileSync(path, `${target}.part`);
    Deno.renameSync(`${target}.part`, target);
    Deno.removeSync(path);
  }
  removeVolatileDir(dir);
}

/** When an entry of the directory was last added or removed, in milliseconds since 1970. */
export function changedAtMs(dir: string): number {
  return Deno.statSync(dir).mtime?.getTime() ?? Date.now();
}

/**
 * Creates `dir` for this user alone if it is missing; whether it is private and writable. Others who may write there
 * could forge answers. A compiled program lacks Deno's permission for files below `/dev`, so writing is tried.
 */
function ensurePrivateDir(dir: string): boolean {
  try {
    Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
    return isPrivateDir(dir) && tryWriting(dir);
  } catch {
    return false;
  }
}

/** Whether `dir` is a directory, not a link to one, that only this user can list; false when it is missing. */
function isPrivateDir(dir: string): boolean {
  try {
    const { isDirectory, uid, mode } = Deno.lstatSync(dir);
    if (Deno.build.os === "windows") return isDirectory;
    return isDirectory && uid === Deno.uid() && mode !== null && (mode & 0o077) === 0;
  } catch {
    return false;
  }
}

/** @throws what the file system says, or that Deno lacks the permission */
function tryWriting(dir: string): boolean {
  const path = join(dir, `try-${crypto.randomUUID()}`);
  Deno.openSync(path, { createNew: true, write: true }).close();
  Deno.removeSync(path);
  return true;
}

/** Whether something other than a regular file exists at `path`. */
function isOtherThanFile(path: string): boolean {
  try {
    return !Deno.lstatSync(path).isFile;
  } catch {
    return false;
  }
}
