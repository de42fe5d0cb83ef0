import { basename, dirname, join } from "@std/path";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../../base/errors.ts";

const log = getLogger(["exai", "store"]);

/** Copies of one database that are kept; the oldest are deleted. */
const MAX_COPIES = 3;

/** The files of a database: renamed together, they are the same database. */
const SUFFIXES = ["", "-wal", "-shm", "-journal"] as const;

/** The index of the write-ahead log, which each connection rebuilds. */
const WAL_INDEX = "-shm";

/**
 * Renames an unreadable database, with all its files, to `PATH.damaged-TIME`. No connection to it may be open.
 *
 * @returns its new path
 * @throws what the file system says
 */
export function quarantine(path: string): string {
  const to = freeName(path);
  for (const suffix of SUFFIXES) {
    if (exists(path + suffix)) Deno.renameSync(path + suffix, to + suffix);
  }
  prune(path);
  return to;
}

/**
 * Copies a database as it is now to `PATH.damaged-TIME`. No connection to it may be open in this process: closing the
 * handle that reads the file would drop the locks of such a connection.
 *
 * @returns the path of the copy
 * @throws what the file system says
 */
export function backUp(path: string): string {
  const to = freeName(path);
  for (const suffix of SUFFIXES) {
    if (suffix !== WAL_INDEX && exists(path + suffix)) Deno.copyFileSync(path + suffix, to + suffix);
  }
  prune(path);
  return to;
}

/** Deletes a database with all its files. */
export function removeDatabase(path: string): void {
  for (const suffix of SUFFIXES) tryTo(() => Deno.removeSync(path + suffix));
}

/** Whether the path of one of the files leads to something other than a regular file that this user may read and write. */
export function isInaccessible(path: string): boolean {
  return SUFFIXES.map((suffix) => path + suffix).some((file) => exists(file) && !isAccessible(infoOf(file)));
}

/** Whether this user may read and write the file; false for a dangling link. */
function isAccessible(info: Deno.FileInfo | undefined): boolean {
  if (!info?.isFile) return false;
  if (Deno.build.os === "windows") return true;
  const isOwner = info.uid === Deno.uid() || Deno.uid() === 0;
  return isOwner && info.mode !== null && (info.mode & 0o600) === 0o600;
}

function freeName(path: string): string {
  const time = new Date().toISOString().replaceAll(/[:.]/g, "-");
  for (let n = 1;; n++) {
    const name = `${path}.damaged-${time}${n === 1 ? "" : `-${n}`}`;
    if (!exists(name)) return name;
  }
}

/** Deletes the oldest copies. A directory that was in the place of a database stays unless it is empty. */
function prune(path: string): void {
  tryTo(() => {
    const prefix = `${basename(path)}.damaged-`;
    const names = Array.from(Deno.readDirSync(dirname(path)), ({ name }) => name)
      .filter((name) =>
        name.startsWith(prefix) && !SUFFIXES.some((suffix) => suffix && name.endsWith(suffix))
      );
    for (const name of names.sort().slice(0, -MAX_COPIES)) removeDatabase(join(dirname(path), name));
  });
}

function tryTo(work: () => void): void {
  try {
    work();
  } catch (thrown) {
    if (!(thrown instanceof Deno.errors.NotFound)) {
      log.debug("a file could not be removed: {why}", { why: messageOf(thrown) });
    }
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}
