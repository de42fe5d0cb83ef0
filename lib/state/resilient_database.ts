import type { DatabaseSync } from "node:sqlite";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { IN_MEMORY, inTransaction, type Lock, openDatabase } from "./sqlite/database.ts";
import { DamagedDatabase, databaseError, saysDamaged, saysHeld, saysUseless } from "./sqlite/faults.ts";
import { FileIdentity, rescue } from "./sqlite/file_identity.ts";
import { copyAside, isOutOfReach, moveAside, removeDatabase } from "./sqlite/put_aside.ts";
import { walFault } from "./sqlite/wal_check.ts";

const log = getLogger(["exai", "store"]);

/** How often it is looked whether the file is still there, in milliseconds. */
const LOOK_MS = 10 * SECOND_MS;

interface ResilientDatabaseOptions<S> {
  path: string;
  /** What it is, for messages: "the journal". */
  what: string;
  /** Its format, version by version. */
  migrations: readonly string[];
  /** Prepares its statements. */
  prepare(db: DatabaseSync): S;
  /** Whether what it says is worth nothing once something could not be written to it. */
  losesAllByFault?: boolean;
  /** Whether it must outlive a machine that fails, not only this process. */
  isDurable?: boolean;
  /** How long after a fault it is tried again, in milliseconds. */
  retryMs: number;
  /** Called inside the transaction that begins the work with a file just opened. What it throws is a fault. */
  onopen?(sql: S): void;
  /** Called when it is closed, for whatever reason: what `prepare` has made beside statements goes. */
  onclose?(sql: S): void;
  /** Called when there has come, or gone, a fault. */
  onchange?(): void;
  /** Called with a sentence when a file that could not be read was put aside. */
  onaside?(note: string): void;
}

/**
 * A database file that can be missed: a fault is told once, and work goes on without it until it can be used. What
 * cannot be read is put aside, never deleted, and a new file begun.
 */
export class ResilientDatabase<S> implements Disposable {
  readonly #options: ResilientDatabaseOptions<S>;
  #db: DatabaseSync | undefined;
  #sql: S | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #fault: string | undefined;
  /** The database and its log, while they are open. */
  #files: { database: FileIdentity; log: FileIdentity } | undefined;
  readonly #looking: ReturnType<typeof setInterval>;

  constructor(options: ResilientDatabaseOptions<S>) {
    this.#options = options;
    this.#looking = setInterval(() => this.look(), LOOK_MS);
    Deno.unrefTimer(this.#looking);
  }

  /** What is wrong with it now, in a sentence. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Opens it. One that is damaged, or worth nothing by the fault it has, is begun anew. */
  open(): void {
    try {
      this.#openOrBegin();
    } catch (thrown) {
      this.#fail(thrown);
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

  /**
   * Runs `work` all or not at all. A file found to be damaged is put aside and the work done on the new one.
   *
   * @throws {ExaiError} what `work` throws; naming the file and what to do, when it cannot be used
   */
  run<T>(lock: Lock, work: (sql: S) => T): T {
    try {
      if (!this.#sql) this.#reopen();
      return this.#atOnce(lock, work);
    } catch (thrown) {
      if (!saysDamaged(thrown)) throw databaseError(thrown, this.#options.path);
      this.#fail(thrown);
      if (!this.#sql) throw databaseError(thrown, this.#options.path);
      return this.#atOnce(lock, work);
    }
  }

  /**
   * Notices that the file was removed or replaced while it was open, which SQLite does not: what it writes then is gone
   * with the process. What was removed is written again.
   */
  look(): void {
    if (!this.#db || !this.#files) return;
    const { database, log } = this.#files;
    const [change, logChange] = [database.look(), log.look()];
    if (change === "same" && logChange === "same") return;
    try {
      const { path, what } = this.#options;
      this.#tell(`${what} ${path} ${rescue(this.#db, path, change)}`);
      this.#close();
      this.#reopen();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#looking);
    clearTimeout(this.#retry);
    this.#close();
  }

  #atOnce<T>(lock: Lock, work: (sql: S) => T): T {
    return inTransaction(this.#db!, lock, () => work(this.#sql!));
  }

  #openOrBegin(): void {
    const { path, losesAllByFault } = this.#options;
    try {
      this.#openOnce();
    } catch (thrown) {
      const isUseless = saysUseless(thrown) || (path !== IN_MEMORY && isOutOfReach(realPathOf(path)));
      if (!isUseless && (!losesAllByFault || saysHeld(thrown))) throw thrown;
      if (isUseless) this.#putAside(thrown);
      else removeDatabase(path);
      this.#openOnce();
    }
  }

  #openOnce(): void {
    const { path, migrations, isDurable = false, prepare, onopen } = this.#options;
    const isLogDamaged = path !== IN_MEMORY && this.#saveLog();
    const db = openDatabase(path, migrations);
    let sql: S | undefined;
    try {
      // What SQLite has handed to the system outlives this process, but not the machine.
      if (!isDurable) db.exec("PRAGMA synchronous = OFF");
      // Else the next start would find the same damage, unless something is written before.
      if (isLogDamaged) db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      const prepared = sql = prepare(db);
      if (onopen) inTransaction(db, "write", () => onopen(prepared));
      this.#db = db;
      this.#sql = sql;
      this.#files = path === IN_MEMORY
        ? undefined
        : { database: new FileIdentity(path), log: new FileIdentity(`${realPathOf(path)}-wal`) };
    } catch (thrown) {
      this.#letGo(db, sql);
      throw thrown;
    }
  }

  /**
   * Copies the file aside if SQLite would leave out some of its log; what comes before that is still good.
   *
   * @throws {DamagedDatabase} when what is left would be worth nothing
   */
  #saveLog(): boolean {
    const { path, losesAllByFault } = this.#options;
    const fault = walFault(realPathOf(path));
    if (!fault) return false;
    const { reason, losesAll } = fault;
    if (losesAll || losesAllByFault) throw new DamagedDatabase(path, reason);
    let copy: string;
    try {
      copy = `as it was found it is kept as ${copyAside(realPathOf(path))}`;
    } catch (thrown) {
      copy = `it could not be copied: ${messageOf(thrown)}`;
    }
    this.#tell(`the latest changes to ${this.#options.what} ${path} are lost, because ${reason}; ${copy}`);
    return true;
  }

  /** @throws what was thrown before, when the file cannot be moved */
  #putAside(thrown: unknown): void {
    const { path, what } = this.#options;
    const reason = thrown instanceof DamagedDatabase ? thrown.reason : messageOf(thrown);
    let to: string;
    try {
      to = moveAside(realPathOf(path));
    } catch (fault) {
      log.error("{path} cannot be put aside: {why}", { path, why: messageOf(fault) });
      throw thrown;
    }
    this.#tell(
      `${what} ${path} could not be read (${reason}); it was put aside as ${to} and a new one begun`,
    );
  }

  #tell(note: string): void {
    log.error("{note}", { note });
    this.#options.onaside?.(note);
  }

  /** @throws what keeps it from being opened */
  #reopen(): void {
    try {
      this.#openOrBegin();
    } catch (thrown) {
      this.#fail(thrown);
      throw thrown;
    }
    this.#recovered();
  }

  #tryOpen(): void {
    try {
      this.#reopen();
    } catch {
      // It is told and tried again.
    }
  }

  #recovered(): void {
    const { what, path, onchange } = this.#options;
    clearTimeout(this.#retry);
    if (this.#fault !== undefined) log.info("{what} {path} can be written again", { what, path });
    this.#fault = undefined;
    onchange?.();
  }

  #fail(thrown: unknown): void {
    const { path, what, retryMs, losesAllByFault, onchange } = this.#options;
    this.#close();
    if (this.#beginAfterDamage(thrown)) return this.#recovered();
    const first = this.#fault === undefined;
    this.#fault = `${what} ${path} cannot be written: ${messageOf(thrown)}`;
    if (first) log.error("{fault}; calls go on without it", { fault: this.#fault });
    if (losesAllByFault && !saysHeld(thrown)) removeDatabase(path);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#tryOpen(), retryMs);
    if (first) onchange?.();
  }

  /** Puts a file aside that was found damaged in use, and begins a new one; false when this is not the case, or not possible. */
  #beginAfterDamage(thrown: unknown): boolean {
    if (!saysDamaged(thrown)) return false;
    try {
      this.#putAside(thrown);
      // What lives in this process is written into it when it is opened, but not from within what failed.
      if (this.#options.losesAllByFault) return false;
      this.#openOnce();
      return true;
    } catch {
      return false;
    }
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
    } catch (thrown) {
      log.debug("closing a database: {thrown}", { thrown });
    }
    try {
      db?.close();
    } catch (thrown) {
      log.debug("closing a database: {thrown}", { thrown });
    }
  }
}

/** Where the file really is: SQLite keeps its log beside what a link leads to. */
function realPathOf(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}
