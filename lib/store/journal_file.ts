import type { DatabaseSync } from "node:sqlite";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { inTransaction, openDatabase } from "../sqlite/database.ts";
import { MIGRATIONS, prepareStatements, type Statements } from "./journal_statements.ts";

const log = getLogger(["exai", "journal"]);

export interface JournalFileOptions {
  path: string;
  /** How long after a fault it is tried again, in milliseconds. */
  retryMs: number;
  /** Called inside the transaction that begins the work with a file just opened. What it throws is a fault. */
  onopen(sql: Statements): void;
  /** Called when there has come, or gone, a fault. */
  onchange?(): void;
}

/** The file of the journal. A fault of it is told once, never thrown; work goes on without, until it can be used. */
export class JournalFile implements Disposable {
  readonly #options: JournalFileOptions;
  #db: DatabaseSync | undefined;
  #sql: Statements | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #fault: string | undefined;

  constructor(options: JournalFileOptions) {
    this.#options = options;
  }

  /** What is wrong with it now, in a sentence. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Opens it. One that is damaged, or of another version, holds nothing that cannot be missed: it begins anew. */
  open(): void {
    try {
      this.#openOnce();
    } catch (thrown) {
      log.warning("{path} is begun anew: {reason}", { path: this.#options.path, reason: messageOf(thrown) });
      removeFiles(this.#options.path);
      this.#tryOpen();
    }
  }

  /** Runs `work`, whose single statement stands for itself; undefined when the file cannot be used. */
  use<T>(work: (sql: Statements) => T): T | undefined {
    if (!this.#sql) return undefined;
    try {
      return work(this.#sql);
    } catch (thrown) {
      this.#fail(thrown);
      return undefined;
    }
  }

  /** Runs `work` all or not at all; undefined when the file cannot be used. */
  useAtOnce<T>(work: (sql: Statements) => T): T | undefined {
    const db = this.#db;
    return db && this.use((sql) => inTransaction(db, "write", () => work(sql)));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
    this.#close();
  }

  #openOnce(): void {
    const db = openDatabase(this.#options.path, MIGRATIONS);
    try {
      // What SQLite has handed to the system outlives this process; of a machine that fails no window is left to ask.
      db.exec("PRAGMA synchronous = OFF");
      const sql = prepareStatements(db);
      inTransaction(db, "write", () => this.#options.onopen(sql));
      this.#db = db;
      this.#sql = sql;
    } catch (thrown) {
      db.close();
      throw thrown;
    }
  }

  #tryOpen(): void {
    try {
      this.#openOnce();
    } catch (thrown) {
      return this.#fail(thrown);
    }
    if (this.#fault !== undefined) log.info("the journal {path} can be written again", { ...this.#options });
    this.#fault = undefined;
    this.#options.onchange?.();
  }

  #fail(thrown: unknown): void {
    const { path, retryMs, onchange } = this.#options;
    const first = this.#fault === undefined;
    this.#fault = `the journal ${path} cannot be written: ${messageOf(thrown)}`;
    if (first) log.error("{fault}; calls go on without it", { fault: this.#fault });
    this.#close();
    // What it says is out of date from here on: a successor must not take a call it does not name for one not begun.
    removeFiles(path);
    this.#retry = setTimeout(() => this.#tryOpen(), retryMs);
    if (first) onchange?.();
  }

  #close(): void {
    const db = this.#db;
    this.#db = undefined;
    this.#sql = undefined;
    try {
      db?.close();
    } catch (thrown) {
      log.debug("closing the journal: {thrown}", { thrown });
    }
  }
}

function removeFiles(path: string): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    try {
      Deno.removeSync(file);
    } catch {
      // Not there, or not ours to remove.
    }
  }
}
