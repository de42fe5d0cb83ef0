import type { DatabaseSync } from "node:sqlite";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { inTransaction, openDatabase } from "../sqlite/database.ts";

const log = getLogger(["exai", "store"]);

export interface KeptFileOptions<S> {
  path: string;
  /** What it is, for messages: "the journal". */
  what: string;
  /** Its format, version by version. */
  migrations: readonly string[];
  /** Prepares its statements. */
  prepare(db: DatabaseSync): S;
  /** Whether what it says is worth nothing once something could not be written to it. */
  losesAllByFault: boolean;
  /** How long after a fault it is tried again, in milliseconds. */
  retryMs: number;
  /** Called inside the transaction that begins the work with a file just opened. What it throws is a fault. */
  onopen(sql: S): void;
  /** Called when it is closed, for whatever reason: what `prepare` has made beside statements goes. */
  onclose?(sql: S): void;
  /** Called when there has come, or gone, a fault. */
  onchange?(): void;
}

/** A database file that can be missed. A fault is told once, never thrown; work goes on without, until it can be used. */
export class KeptFile<S> implements Disposable {
  readonly #options: KeptFileOptions<S>;
  #db: DatabaseSync | undefined;
  #sql: S | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #fault: string | undefined;

  constructor(options: KeptFileOptions<S>) {
    this.#options = options;
  }

  /** What is wrong with it now, in a sentence. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Opens it. One that is damaged, or worth nothing by the fault it has, is begun anew. */
  open(): void {
    try {
      this.#openOnce();
    } catch (thrown) {
      if (!this.#options.losesAllByFault && !/damaged/.test(messageOf(thrown))) return this.#fail(thrown);
      log.warning("{path} is begun anew: {reason}", { path: this.#options.path, reason: messageOf(thrown) });
      removeFiles(this.#options.path);
      this.#tryOpen();
    }
  }

  /** Runs `work`, whose single statement stands for itself; undefined when the file cannot be used. */
  use<T>(work: (sql: S) => T): T | undefined {
    if (!this.#sql) return undefined;
    try {
      return work(this.#sql);
    } catch (thrown) {
      this.#fail(thrown);
      return undefined;
    }
  }

  /** Runs `work` all or not at all; undefined when the file cannot be used. */
  useAtOnce<T>(work: (sql: S) => T): T | undefined {
    const db = this.#db;
    return db && this.use((sql) => inTransaction(db, "write", () => work(sql)));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
    this.#close();
  }

  #openOnce(): void {
    const db = openDatabase(this.#options.path, this.#options.migrations);
    let sql: S | undefined;
    try {
      // What SQLite has handed to the system outlives this process; of a machine that fails no window is left to ask.
      db.exec("PRAGMA synchronous = OFF");
      const prepared = sql = this.#options.prepare(db);
      inTransaction(db, "write", () => this.#options.onopen(prepared));
      this.#db = db;
      this.#sql = sql;
    } catch (thrown) {
      this.#letGo(db, sql);
      throw thrown;
    }
  }

  #tryOpen(): void {
    try {
      this.#openOnce();
    } catch (thrown) {
      return this.#fail(thrown);
    }
    const { what, path } = this.#options;
    if (this.#fault !== undefined) log.info("{what} {path} can be written again", { what, path });
    this.#fault = undefined;
    this.#options.onchange?.();
  }

  #fail(thrown: unknown): void {
    const { path, what, retryMs, losesAllByFault, onchange } = this.#options;
    const first = this.#fault === undefined;
    this.#fault = `${what} ${path} cannot be written: ${messageOf(thrown)}`;
    if (first) log.error("{fault}; calls go on without it", { fault: this.#fault });
    this.#close();
    if (losesAllByFault) removeFiles(path);
    this.#retry = setTimeout(() => this.#tryOpen(), retryMs);
    if (first) onchange?.();
  }

  #close(): void {
    const [db, sql] = [this.#db, this.#sql];
    this.#db = undefined;
    this.#sql = undefined;
    this.#letGo(db, sql);
  }

  #letGo(db: DatabaseSync | undefined, sql: S | undefined): void {
    try {
      if (sql !== undefined) this.#options.onclose?.(sql);
      db?.close();
    } catch (thrown) {
      log.debug("closing a database: {thrown}", { thrown });
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
