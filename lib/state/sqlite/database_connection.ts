import type { DatabaseSync } from "node:sqlite";
import { getLogger } from "@logtape/logtape";
import { FileIdentity } from "./file_identity.ts";
import { openDatabase } from "./open_database.ts";
import { realPath } from "../../config/real_path.ts";
import { removeDatabase } from "./quarantine.ts";
import { execute, IN_MEMORY, inTransaction, type Lock } from "./sql.ts";

const log = getLogger(["exai", "store"]);

export interface DatabaseOptions<S> {
  path: string;
  /** The format, version by version. */
  migrations: readonly string[];
  /** Prepares the statements. */
  prepare(db: DatabaseSync): S;
  /** Whether a write must survive a failure of the machine, not only the end of this process. */
  isDurable?: boolean;
  /** Called inside a transaction right after opening. What it throws is a fault of the file. */
  onOpen?(sql: S): void;
  /** Called before closing, to release what `prepare` made besides statements. */
  onClose?(sql: S): void;
}

/** An open database, its prepared statements, and the files it had when it was opened. */
export class DatabaseConnection<S> implements Disposable {
  readonly sql: S;
  readonly #db: DatabaseSync;
  readonly #options: DatabaseOptions<S>;
  #database: FileIdentity | undefined;
  #wal: FileIdentity | undefined;

  private constructor(db: DatabaseSync, sql: S, options: DatabaseOptions<S>) {
    this.#db = db;
    this.sql = sql;
    this.#options = options;
  }

  /**
   * Opens the database, migrates it and prepares its statements.
   *
   * @param isWalDamaged whether a part of its write-ahead log is unreadable; the readable part is then checkpointed
   * @throws what SQLite, `prepare` or `onOpen` throws
   */
  static open<S>(options: DatabaseOptions<S>, isWalDamaged: boolean): DatabaseConnection<S> {
    const { path, migrations, isDurable = false, prepare, onOpen } = options;
    const db = openDatabase(path, migrations);
    let opened: DatabaseConnection<S> | undefined;
    try {
      // Data handed to the system survives the end of this process, but not of the machine.
      if (!isDurable) execute(db, "PRAGMA synchronous = OFF");
      // Otherwise the next start would find the same damage, unless something is written before.
      if (isWalDamaged) execute(db, "PRAGMA wal_checkpoint(TRUNCATE)");
      const connection = opened = new DatabaseConnection(db, prepare(db), options);
      if (onOpen) inTransaction(db, "write", () => onOpen(connection.sql));
      connection.#identifyFiles();
      return connection;
    } catch (thrown) {
      if (opened) opened[Symbol.dispose]();
      else closeQuietly(() => db.close());
      throw thrown;
    }
  }

  /** Runs `work` in a transaction. */
  transaction<T>(lock: Lock, work: (sql: S) => T): T {
    return inTransaction(this.#db, lock, () => work(this.sql));
  }

  /**
   * Saves what can be saved when the file was removed or replaced while open, which SQLite does not notice: it goes on
   * writing to the unlinked file. The database must then be opened again.
   *
   * @returns what happened to the file, as the rest of a sentence; undefined when it is in place
   * @throws what prevents it from being saved
   */
  rescue(): string | undefined {
    if (!this.#database || !this.#wal) return undefined;
    const [database, wal] = [this.#database.check(), this.#wal.check()];
    const { path } = this.#options;
    switch (database) {
      case "same":
        if (wal === "same") return undefined;
        execute(this.#db, "PRAGMA wal_checkpoint(TRUNCATE)");
        return "lost its log while in use; what was in it is kept";
      case "removed":
        // SQLite would apply a leftover log to the new file.
        removeDatabase(path);
        this.#db.prepare("VACUUM INTO ?").run(path);
        return "was removed while in use and has been written again";
      case "replaced":
        return "was replaced while in use; what it holds now counts, and what was written since is lost";
    }
  }

  [Symbol.dispose](): void {
    closeQuietly(() => this.#options.onClose?.(this.sql));
    closeQuietly(() => this.#db.close());
  }

  #identifyFiles(): void {
    const { path } = this.#options;
    if (path === IN_MEMORY) return;
    this.#database = new FileIdentity(path);
    // SQLite keeps the log beside the target of a symbolic link.
    this.#wal = new FileIdentity(`${realPath(path)}-wal`);
  }
}

function closeQuietly(close: () => void): void {
  try {
    close();
  } catch (thrown) {
    log.debug("closing a database: {thrown}", { thrown });
  }
}
