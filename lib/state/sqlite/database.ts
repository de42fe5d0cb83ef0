import { DatabaseSync } from "node:sqlite";
import { dirname } from "@std/path";
import { SECOND_MS } from "../../base/units.ts";
import { DamagedDatabase, databaseError } from "./faults.ts";

/** A database of this program's own, kept in memory and gone with the process. */
export const IN_MEMORY = ":memory:";

/**
 * How long an operation waits for another process that writes, in milliseconds. Waiting blocks the whole process, so
 * it is short; a write takes about a millisecond.
 */
const BUSY_TIMEOUT_MS = SECOND_MS / 2;

const MAX_WAL_ATTEMPTS = 20;

/** Marks a database file as ours, so that another program's is never migrated: "EXAI" in ASCII. */
const APPLICATION_ID = 0x45584149;

const OWNER_ONLY = 0o600;

/**
 * Opens `path`, private to the user, in WAL mode, and brings it to the newest of `migrations`: the first makes
 * version 1, and so on.
 *
 * @throws {DamagedDatabase} its content is of no use to this program
 * @throws {ExaiError} `CONFIG` naming the file and what to do
 */
export function openDatabase(path: string, migrations: readonly string[]): DatabaseSync {
  try {
    if (path !== IN_MEMORY) makePrivate(path);
    const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    try {
      // One process owns the file, so its log needs no index in shared memory, which could be taken away under it: a
      // mapped file that is cut short ends the process. And whoever else opens the file is refused.
      db.exec("PRAGMA locking_mode = EXCLUSIVE");
      inTransaction(db, "read", () => checkOwner(db, path, migrations.length));
      switchToWal(db);
      db.exec("PRAGMA synchronous = NORMAL");
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

/** Whether a transaction only reads, beside others, or writes, alone among all writers. */
export type Lock = "read" | "write";

/** Runs `work` all or not at all, on one consistent state of the database. */
export function inTransaction<T>(db: DatabaseSync, lock: Lock, work: () => T): T {
  db.exec(lock === "write" ? "BEGIN IMMEDIATE" : "BEGIN");
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (thrown) {
    rollBack(db);
    throw thrown;
  }
}

/** SQLite ends a transaction by itself on some faults, such as a full disk. */
function rollBack(db: DatabaseSync): void {
  try {
    if (db.isTransaction) db.exec("ROLLBACK");
  } catch {
    // As with a damaged file. What made it necessary says more, and is thrown.
  }
}

/**
 * Makes the file, or the one that is there, readable by this user alone. SQLite gives its -wal and -shm files the mode
 * of the database, so the mode is set before SQLite sees the file. A file that is there is never opened: SQLite's locks
 * are the process's, and closing any handle of the file would drop those of every connection to it.
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

function checkOwner(db: DatabaseSync, path: string, newest: number): void {
  const owner = pragma(db, "application_id");
  const isEmpty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  if (owner !== APPLICATION_ID && !(owner === 0 && isEmpty)) {
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

/** SQLite does not wait for its turn to switch, so of two processes that open a new file at once one is refused. */
function switchToWal(db: DatabaseSync): void {
  for (let attempt = 1; pragma(db, "journal_mode") === "delete"; attempt++) {
    try {
      db.exec("PRAGMA journal_mode = WAL");
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
  // Another process may have migrated between the check at opening and this transaction.
  checkOwner(db, path, migrations.length);
  const version = Number(pragma(db, "user_version"));
  if (version === migrations.length) return;
  for (const migration of migrations.slice(version)) db.exec(migration);
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${migrations.length}`);
}

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}
