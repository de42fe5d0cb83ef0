import { getLogger } from "@logtape/logtape";
import { ExaiError, messageOf } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { DatabaseConnection, type DatabaseOptions } from "./sqlite/database_connection.ts";
import { DamagedDatabase, databaseError, isBusy, isDamage, isUnusable } from "./sqlite/sqlite_errors.ts";
import { realPath } from "../config/real_path.ts";
import { backUp, isInaccessible, quarantine, removeDatabase } from "./sqlite/quarantine.ts";
import { IN_MEMORY, type Lock, prepareAll, type Statements } from "./sqlite/sql.ts";
import { checkWal } from "./sqlite/wal_check.ts";

const log = getLogger(["exai", "store"]);

/** How often the file is checked for being in place, in milliseconds. */
const CHECK_MS = 10 * SECOND_MS;

const RETRY_MS = 5 * SECOND_MS;

/** What the owner of a database learns about its file. */
export interface DatabaseEvents {
  /** Called when a fault begins or ends. */
  onChange?(): void;
  /** Called with a sentence when a file that could not be read, or a part of it, was moved or copied away. */
  onQuarantine?(note: string): void;
}

interface ResilientDatabaseOptions<S> extends DatabaseOptions<S>, DatabaseEvents {
  /** What it is, for messages: "the journal". */
  what: string;
  /** Whether the whole content is worthless once a single write to it has failed. */
  losesAllByFault?: boolean;
  /** How long after a fault the file is tried again, in milliseconds; 5 s by default. */
  retryMs?: number;
}

type DatabaseState<S> =
  | { kind: "closed" }
  | { kind: "open"; connection: DatabaseConnection<S> }
  | { kind: "failed"; fault: string; retry: ReturnType<typeof setTimeout> }
  | { kind: "disposed" };

/**
 * A database file that the daemon can do without: a fault is logged once, and work continues without the file until it is
 * usable again. An unreadable file is quarantined, never deleted, and a new one created.
 *
 * @example
 * ```ts
 * import { ResilientDatabase } from "./resilient_database.ts";
 * import { IN_MEMORY, prepareAll } from "./sqlite/sql.ts";
 *
 * using notes = new ResilientDatabase({
 *   path: IN_MEMORY,
 *   what: "the notes",
 *   migrations: ["CREATE TABLE note (text TEXT)"],
 *   prepare: (db) => prepareAll(db, { add: "INSERT INTO note VALUES (?)", all: "SELECT text FROM note" }),
 * });
 * notes.open();
 * notes.write((sql) => sql.add.run("first"));
 * console.assert(notes.use((sql) => sql.all.all().length) === 1);
 * ```
 */
export class ResilientDatabase<S> implements Disposable {
  readonly #options: ResilientDatabaseOptions<S>;
  #state: DatabaseState<S> = { kind: "closed" };
  readonly #checkTimer: ReturnType<typeof setInterval>;

  constructor(options: ResilientDatabaseOptions<S>) {
    this.#options = options;
    this.#checkTimer = setInterval(() => this.checkFile(), CHECK_MS);
    Deno.unrefTimer(this.#checkTimer);
  }

  /** Why the file cannot be used now, in a sentence. */
  get fault(): string | undefined {
    return this.#state.kind === "failed" ? this.#state.fault : undefined;
  }

  /** Opens the file, or a new one in place of one that is damaged. Failure is a {@linkcode fault}, not an error. */
  open(): void {
    if (this.#state.kind === "disposed") return;
    try {
      this.#openOrReplace();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** Runs `work` without its own transaction; undefined when the file cannot be used. */
  use<T>(work: (sql: S) => T): T | undefined {
    const connection = this.#connection;
    if (!connection) return undefined;
    try {
      return work(connection.sql);
    } catch (thrown) {
      this.#fail(thrown);
      return undefined;
    }
  }

  /** Runs `work` in one transaction that writes; undefined when the file cannot be used. */
  write<T>(work: (sql: S) => T): T | undefined {
    const connection = this.#connection;
    return connection && this.use(() => connection.transaction("write", work));
  }

  /**
   * Runs `work` in one transaction. A file found to be damaged is quarantined and the work repeated on the new one.
   *
   * @throws {ExaiError} what `work` throws; `CONFIG`, `OVER_CAPACITY` or `INTERNAL`, naming the file and what to do,
   * when the file cannot be used; `SHUTTING_DOWN` after it was disposed of
   */
  run<T>(lock: Lock, work: (sql: S) => T): T {
    const connection = this.#connection ?? this.#reopen();
    try {
      return connection.transaction(lock, work);
    } catch (thrown) {
      const error = databaseError(thrown, this.#options.path);
      if (!isDamage(thrown)) throw error;
      this.#fail(thrown);
      if (!this.#connection) throw error;
      return this.#connection.transaction(lock, work);
    }
  }

  /** Checks that the file was not removed or replaced while open. A removed one is written again. */
  checkFile(): void {
    const connection = this.#connection;
    if (!connection) return;
    try {
      const change = connection.rescue();
      if (change === undefined) return;
      this.#report(`${this.#options.what} ${this.#options.path} ${change}`);
    } catch (thrown) {
      return this.#fail(thrown);
    }
    this.#close();
    this.#tryReopen();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#checkTimer);
    this.#cancelRetry();
    this.#close();
    this.#state = { kind: "disposed" };
  }

  get #connection(): DatabaseConnection<S> | undefined {
    return this.#state.kind === "open" ? this.#state.connection : undefined;
  }

  #openOrReplace(): DatabaseConnection<S> {
    const { path, losesAllByFault } = this.#options;
    try {
      return this.#open();
    } catch (thrown) {
      const isUseless = isUnusable(thrown) || (path !== IN_MEMORY && isInaccessible(realPath(path)));
      if (!isUseless && (!losesAllByFault || isBusy(thrown))) throw thrown;
      if (isUseless) this.#quarantine(thrown);
      else removeDatabase(path);
      return this.#open();
    }
  }

  #open(): DatabaseConnection<S> {
    const isWalDamaged = this.#options.path !== IN_MEMORY && this.#backUpDamagedWal();
    const connection = DatabaseConnection.open(this.#options, isWalDamaged);
    this.#cancelRetry();
    this.#state = { kind: "open", connection };
    return connection;
  }

  /**
   * Copies the file if SQLite would drop a part of its write-ahead log; the content before that part is still good.
   *
   * @throws {DamagedDatabase} when the remaining content would be worthless
   */
  #backUpDamagedWal(): boolean {
    const { path, what, losesAllByFault } = this.#options;
    const damage = checkWal(realPath(path));
    if (!damage) return false;
    const { reason, isTotal } = damage;
    if (isTotal || losesAllByFault) throw new DamagedDatabase(path, reason);
    let copy: string;
    try {
      copy = `as it was found it is kept as ${backUp(realPath(path))}`;
    } catch (thrown) {
      copy = `it could not be copied: ${messageOf(thrown)}`;
    }
    this.#report(`the latest changes to ${what} ${path} are lost, because ${reason}; ${copy}`);
    return true;
  }

  /** @throws `thrown`, when the file cannot be moved */
  #quarantine(thrown: unknown): void {
    const { path, what } = this.#options;
    const reason = thrown instanceof DamagedDatabase ? thrown.reason : messageOf(thrown);
    let to: string;
    try {
      to = quarantine(realPath(path));
    } catch (fault) {
      log.error("{path} cannot be put aside: {why}", { path, why: messageOf(fault) });
      throw thrown;
    }
    this.#report(
      `${what} ${path} could not be read (${reason}); it was put aside as ${to} and a new one begun`,
    );
  }

  #report(note: string): void {
    log.error("{note}", { note });
    this.#options.onQuarantine?.(note);
  }

  /** @throws {ExaiError} as {@linkcode run} */
  #reopen(): DatabaseConnection<S> {
    const { what } = this.#options;
    // Opening it would create a file in a directory that may be about to be removed.
    if (this.#state.kind === "disposed") {
      throw new ExaiError("SHUTTING_DOWN", `${what} is closed; the daemon is stopping`);
    }
    const hadFault = this.fault !== undefined;
    let connection: DatabaseConnection<S>;
    try {
      connection = this.#openOrReplace();
    } catch (thrown) {
      this.#fail(thrown);
      if (this.#connection) return this.#connection;
      throw databaseError(thrown, this.#options.path);
    }
    this.#recovered(hadFault);
    return connection;
  }

  #tryReopen(): void {
    try {
      this.#reopen();
    } catch {
      // It is logged, and tried again later.
    }
  }

  #recovered(hadFault: boolean): void {
    const { what, path, onChange } = this.#options;
    if (hadFault) log.info("{what} {path} can be written again", { what, path });
    onChange?.();
  }

  #fail(thrown: unknown): void {
    if (this.#state.kind === "disposed") return;
    const { path, what, retryMs = RETRY_MS, losesAllByFault, onChange } = this.#options;
    const hadFault = this.fault !== undefined;
    this.#close();
    if (this.#replaceDamaged(thrown)) return this.#recovered(hadFault);
    const fault = `${what} ${path} cannot be written: ${messageOf(thrown)}`;
    if (!hadFault) log.error("{fault}; calls continue without it", { fault });
    if (losesAllByFault && !isBusy(thrown)) removeDatabase(path);
    this.#cancelRetry();
    this.#state = { kind: "failed", fault, retry: setTimeout(() => this.#tryReopen(), retryMs) };
    if (!hadFault) onChange?.();
  }

  /** Quarantines a file found to be damaged in use and opens a new one; whether it did. */
  #replaceDamaged(thrown: unknown): boolean {
    if (!isDamage(thrown)) return false;
    try {
      this.#quarantine(thrown);
      // Its owner writes all it has to a new file in `onOpen`, which must not run within the operation that failed.
      if (this.#options.losesAllByFault) return false;
      this.#open();
      return true;
    } catch {
      return false;
    }
  }

  #cancelRetry(): void {
    if (this.#state.kind === "failed") clearTimeout(this.#state.retry);
  }

  #close(): void {
    const connection = this.#connection;
    if (!connection) return;
    this.#state = { kind: "closed" };
    connection[Symbol.dispose]();
  }
}

/** Opens a database that is used through the statements of `sql`, by their names. */
export function openStatements<Name extends string>(
  { sql, ...options }:
    & Omit<ResilientDatabaseOptions<Statements<Name>>, "prepare">
    & { sql: Readonly<Record<Name, string>> },
): ResilientDatabase<Statements<Name>> {
  const file = new ResilientDatabase({ ...options, prepare: (db) => prepareAll(db, sql) });
  file.open();
  return file;
}
