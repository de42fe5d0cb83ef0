import { basename, dirname, join } from "@std/path";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../../base/errors.ts";

const log = getLogger(["exai", "store"]);

/** Of each database so many that were put aside are kept. */
const MAX_KEPT = 3;

/** What SQLite keeps beside a database: opened under another name with these, it is what it was. */
const SUFFIXES = ["", "-wal", "-shm", "-journal"] as const;

/** A connection makes its own from the log. */
const REBUILT = "-shm";

/**
 * Moves a database with all that belongs to it out of the way. No connection to it is open.
 *
 * @returns its new path
 * @throws what the file system says
 */
export function moveAside(path: string): string {
  const to = freeName(path);
  for (const suffix of SUFFIXES) {
    if (exists(path + suffix)) Deno.renameSync(path + suffix, to + suffix);
  }
  prune(path);
  return to;
}

/**
 * Copies a database as it is now, to be looked at. No connection to it is open in this process: closing the handle that
 * reads the file would drop the locks of such a connection.
 *
 * @returns the path of the copy
 * @throws what the file system says
 */
export function copyAside(path: string): string {
  const to = freeName(path);
  for (const suffix of SUFFIXES) {
    if (suffix !== REBUILT && exists(path + suffix)) Deno.copyFileSync(path + suffix, to + suffix);
  }
  prune(path);
  return to;
}

/** Deletes a database whose content is worth nothing. */
export function removeDatabase(path: string): void {
  for (const suffix of SUFFIXES) tryTo(() => Deno.removeSync(path + suffix));
}

/** Whether the files of the database can be of no use, whatever is in them: no files, or not ours to read and write. */
export function isOutOfReach(path: string): boolean {
  return SUFFIXES.map((suffix) => path + suffix).some((file) => exists(file) && !isOurs(infoOf(file)));
}

/** Whether it is a file this user may read and write; a link that leads nowhere is none. */
function isOurs(info: Deno.FileInfo | undefined): boolean {
  if (!info?.isFile) return false;
  if (Deno.build.os === "windows") return true;
  const isOwner = info.uid === Deno.uid() || Deno.uid() === 0;
  return isOwner && (info.mode! & 0o600) === 0o600;
}

function freeName(path: string): string {
  const time = new Date().toISOString().replaceAll(/[:.]/g, "-");
  for (let n = 1;; n++) {
    const name = `${path}.damaged-${time}${n === 1 ? "" : `-${n}`}`;
    if (!exists(name)) return name;
  }
}

/** Deletes the oldest that were put aside. A directory that lay in the place of a database stays, if it holds anything. */
function prune(path: string): void {
  tryTo(() => {
    const prefix = `${basename(path)}.damaged-`;
    const names = Array.from(Deno.readDirSync(dirname(path)), ({ name }) => name)
      .filter((name) =>
        name.startsWith(prefix) && !SUFFIXES.some((suffix) => suffix && name.endsWith(suffix))
      );
    for (const name of names.sort().slice(0, -MAX_KEPT)) removeDatabase(join(dirname(path), name));
  });
}

function tryTo(work: () => void): void {
  try {
    work();
  } catch (thrown) {
    if (!(thrown instanceof Deno.errors.NotFound)) {
      log.debug("a file stays that should go: {why}", { why: messageOf(thrown) });
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
