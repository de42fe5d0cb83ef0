import { DatabaseSync } from "node:sqlite";
import { dirname } from "@std/path";
import { ExaiError, messageOf } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";

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

/**
 * Opens `path`, private to the user, in WAL mode, and brings it to the newest of `migrations`: the first makes
 * version 1, and so on.
 *
 * @throws {ExaiError} `CONFIG` naming the file and what to do
 */
export function openDatabase(path: string, migrations: readonly string[]): DatabaseSync {
  try {
    if (path !== IN_MEMORY) makePrivate(path);
    const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    try {
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
    // SQLite ends a transaction by itself on some faults, such as a full disk.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw thrown;
  }
}

/** What SQLite throws, as an error that names the file and what to do. Deno gives no code, only SQLite's words. */
export function databaseError(thrown: unknown, path: string): ExaiError {
  // A fault of SQLite or of the file system has a code; one of our own making has none.
  if (!(thrown instanceof Error && "code" in thrown) || thrown instanceof ExaiError) {
    return ExaiError.from(thrown);
  }
  const message = messageOf(thrown);
  const cause = { cause: thrown };
  if (/database (table |schema )?is locked/.test(message)) {
    const text = `${path} is held by another process; try again in a moment`;
    return new ExaiError("OVER_CAPACITY", text, { ...cause, retryAfterMs: BUSY_TIMEOUT_MS });
  }
  if (/not a database|malformed/.test(message)) {
    const advice = "move it and its -wal and -shm files away and start again; what is in it is lost";
    return new ExaiError("CONFIG", `the database ${path} is damaged (${message}): ${advice}`, cause);
  }
  if (/is full/.test(message)) {
    return new ExaiError("INTERNAL", `no space is left for ${path}; free some and try again`, cause);
  }
  const advice = "make sure that its directory exists and that you may write there, or set EXAI_HOME";
  return new ExaiError("CONFIG", `the database ${path} cannot be used (${message}): ${advice}`, cause);
}

/** SQLite gives its -wal and -shm files the mode of the database, so it is set before SQLite sees the file. */
function makePrivate(path: string): void {
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  Deno.openSync(path, { create: true, append: true, mode: 0o600 }).close();
  if (Deno.build.os !== "windows") Deno.chmodSync(path, 0o600);
}

function checkOwner(db: DatabaseSync, path: string, newest: number): void {
  const owner = pragma(db, "application_id");
  const isEmpty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  if (owner !== APPLICATION_ID && !(owner === 0 && isEmpty)) {
    throw new ExaiError("CONFIG", `${path} is another program's database; move it away or set EXAI_HOME`);
  }
  const version = Number(pragma(db, "user_version"));
  if (version > newest) {
    throw new ExaiError(
      "CONFIG",
      `${path} was written by a newer EXAI (version ${version} of its format, this program knows ${newest}): ` +
        "update this program, or move the file away to start with an empty one",
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
