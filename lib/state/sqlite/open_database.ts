import { DatabaseSync } from "node:sqlite";
import { dirname } from "@std/path";
import { SECOND_MS } from "../../base/units.ts";
import { DamagedDatabase, databaseError } from "./sqlite_errors.ts";
import { execute, IN_MEMORY, inTransaction, pragma } from "./sql.ts";

/**
 * How long an operation waits for another process that writes, in milliseconds. The wait blocks this process, so it is
 * short; a write takes about a millisecond.
 */
const BUSY_TIMEOUT_MS = SECOND_MS / 2;

const MAX_WAL_ATTEMPTS = 20;

/** Marks a database file as ours, so that another program's is never migrated: "EXAI" in ASCII. */
const APPLICATION_ID = 0x45584149;

const OWNER_ONLY = 0o600;

/**
 * Opens `path`, private to the user, in WAL mode, and migrates it to the newest of `migrations`: the first makes
 * version 1, and so on.
 *
 * @throws {DamagedDatabase} when its content cannot be used by this program
 * @throws {ExaiError} `CONFIG`, `OVER_CAPACITY` or `INTERNAL` naming the file and what to do
 */
export function openDatabase(path: string, migrations: readonly string[]): DatabaseSync {
  try {
    if (path !== IN_MEMORY) makePrivate(path);
    const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    try {
      // With one process to a file, its WAL needs no index in shared memory: a mapped file that another program cuts
      // short ends the process (SIGBUS). Exclusive mode also keeps other processes out.
      execute(db, "PRAGMA locking_mode = EXCLUSIVE");
      inTransaction(db, "read", () => checkFormat(db, path, migrations.length));
      switchToWal(db);
      execute(db, "PRAGMA synchronous = NORMAL");
      inTransaction(db, "write", () => migrate(db, { path, migrations }));
      return db;
    } catch (thrown) {
      db.close();
      throw thrown;
    }
  } catch (thrown) {
    throw databaseError(thrown, path);
  }
}

/**
 * Makes the file, or the one that exists, readable by this user alone. SQLite gives its -wal and -shm files the mode
 * of the database, so the mode is set before SQLite opens it. An existing file is never opened here: SQLite's locks are
 * the process's, and closing any handle of the file would drop those of every connection to it.
 */
function makePrivate(path: string): void {
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const info = infoOf(path);
  if (!info) Deno.openSync(path, { createNew: true, write: true, mode: OWNER_ONLY }).close();
  else if (info.isFile && info.mode !== null && (info.mode & 0o777) !== OWNER_ONLY) {
    if (Deno.build.os !== "windows") Deno.chmodSync(path, OWNER_ONLY);
  }
}

function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return undefined;
    throw thrown;
  }
}

/** @throws {DamagedDatabase} when the file is another program's, or of a newer version than `newest` */
function checkFormat(db: DatabaseSync, path: string, newest: number): void {
  const applicationId = pragma(db, "application_id");
  const isEmpty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  if (applicationId !== APPLICATION_ID && !(applicationId === 0 && isEmpty)) {
    throw new DamagedDatabase(path, "it is another program's database");
  }
  const version = Number(pragma(db, "user_version"));
  if (version > newest) {
    throw new DamagedDatabase(
      path,
      `it was written by a newer EXAI: version ${version} of its format, and this program knows ${newest}`,
    );
  }
}

/** The switch does not wait for its turn (no busy handler), so of two processes that open a new file one fails. */
function switchToWal(db: DatabaseSync): void {
  for (let attempt = 1; pragma(db, "journal_mode") === "delete"; attempt++) {
    try {
      execute(db, "PRAGMA journal_mode = WAL");
    } catch (thrown) {
      if (attempt === MAX_WAL_ATTEMPTS) throw thrown;
      inTransaction(db, "write", () => {});
    }
  }
}

function migrate(
  db: DatabaseSync,
  { path, migrations }: { path: string; migrations: readonly string[] },
): void {
  // Another process may have migrated it since the check at opening.
  checkFormat(db, path, migrations.length);
  const version = Number(pragma(db, "user_version"));
  if (version === migrations.length) return;
  for (const migration of migrations.slice(version)) execute(db, migration);
  execute(db, `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${migrations.length}`);
}
