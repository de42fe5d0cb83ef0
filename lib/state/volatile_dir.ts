import { basename, join } from "@std/path";
import { isOursAlone, isPrivateDir, tailsLeft, tailsOf } from "./journal/tail.ts";

/** The file in a volatile directory that says whose it is. */
const OWNER_FILE = "home";

/**
 * Makes the directory in memory where the daemon of `home` keeps the last moments of its journal, or finds it; false
 * when it is not, or cannot be made, this user's alone. It says whose it is, so that it can be cleared when its home is
 * gone.
 */
export function openVolatileDir(dir: string, home: string): boolean {
  // Opening a named pipe waits for its other end.
  if (!isPrivateDir(dir) || isNoFile(join(dir, OWNER_FILE))) return false;
  try {
    Deno.writeTextFileSync(join(dir, OWNER_FILE), home, { mode: 0o600 });
    return true;
  } catch {
    return false;
  }
}

/** Removes a volatile directory, unless a tail is in it. */
export function removeVolatileDir(dir: string): void {
  try {
    if (tailsOf(dir).length > 0) return;
    Deno.removeSync(join(dir, OWNER_FILE));
    Deno.removeSync(dir);
  } catch {
    // Another daemon's tail came, or it is gone.
  }
}

/** The home a volatile directory says it belongs to; undefined when it says nothing. */
export function homeOf(dir: string): string | undefined {
  try {
    const path = join(dir, OWNER_FILE);
    return isNoFile(path) ? undefined : Deno.readTextFileSync(path) || undefined;
  } catch {
    return undefined;
  }
}

/** Whether something else than a regular file is there. */
function isNoFile(path: string): boolean {
  try {
    return !Deno.lstatSync(path).isFile;
  } catch {
    return false;
  }
}

/** The private directories in `base` whose names begin with `prefix`; nobody else can have written what is in them. */
export function volatileDirs(base: string, prefix: string): string[] {
  try {
    return Array.from(Deno.readDirSync(base), ({ name }) => join(base, name))
      .filter((dir) => basename(dir).startsWith(prefix) && isOursAlone(dir));
  } catch {
    return [];
  }
}

/** Removes the directory with what a daemon that is gone has left; false when one that lives writes there. */
export function discardVolatileDir(dir: string): boolean {
  if (tailsLeft(dir).length < tailsOf(dir).length) return false;
  Deno.removeSync(dir, { recursive: true });
  return true;
}

/** Moves the tails of daemons that are gone to `home`, where the next daemon looks too, and removes the directory. */
export function moveTails(dir: string, home: string): void {
  for (const { name, path } of tailsLeft(dir)) {
    const target = join(home, name);
    // Renamed when it is whole: what is half written is no tail. From memory to a disk it cannot be moved.
    Deno.copyFileSync(path, `${target}.part`);
    Deno.renameSync(`${target}.part`, target);
    Deno.removeSync(path);
  }
  removeVolatileDir(dir);
}

/** When something in the directory came or went last, in milliseconds since 1970. */
export function changedAtMs(dir: string): number {
  return Deno.statSync(dir).mtime?.getTime() ?? Date.now();
}
