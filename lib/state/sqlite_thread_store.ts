import { ExaiError } from "../base/errors.ts";
import type { Identity, Viewer } from "../call/owner.ts";
import { type DatabaseEvents, ResilientDatabase } from "./resilient_database.ts";
import { IN_MEMORY, type Lock } from "./sqlite/sql.ts";
import { MIGRATIONS, prepareStatements } from "./threads/thread_statements.ts";
import { type ThreadLimits, ThreadRows } from "./threads/thread_rows.ts";
import type {
  Condensation,
  Recorded,
  ShowOptions,
  Thread,
  ThreadStore,
  ThreadWithTurns,
  TurnEntry,
} from "./thread_store.ts";

export interface ThreadStoreOptions extends ThreadLimits, DatabaseEvents {
  /** Database file, created with its directory if missing; left out: in memory, gone with the process. */
  path?: string;
}

interface FileThreadStore extends ThreadStore {
  /** Why the file cannot be used now, in a sentence; every operation fails with it. */
  readonly fault: string | undefined;
}

/**
 * Opens the store of threads in a SQLite database. A file that is damaged, newer or not ours is quarantined and a new
 * one created; one that cannot be used is a {@linkcode FileThreadStore.fault}, and tried again later.
 */
export function openThreadStore(options: ThreadStoreOptions): FileThreadStore {
  return new SqliteThreadStore(options);
}

class SqliteThreadStore implements FileThreadStore {
  readonly #file: ResilientDatabase<ThreadRows>;
  #isClosed = false;

  constructor(options: ThreadStoreOptions) {
    this.#file = new ResilientDatabase({
      path: options.path ?? IN_MEMORY,
      what: "the database of threads",
      migrations: MIGRATIONS,
      prepare: (db) => new ThreadRows(prepareStatements(db), options),
      isDurable: true,
      onChange: options.onChange,
      onQuarantine: options.onQuarantine,
    });
    this.#file.open();
  }

  get fault(): string | undefined {
    return this.#file.fault;
  }

  record(by: Identity, entry: TurnEntry): Promise<Recorded> {
    return this.#run("write", (rows) => rows.record(by, entry));
  }

  show(viewer: Viewer, id: string, options?: ShowOptions): Promise<ThreadWithTurns> {
    return this.#run("read", (rows) => rows.show(viewer, id, options));
  }

  condense(by: Identity, id: string, condensation: Condensation): Promise<boolean> {
    return this.#run("write", (rows) => rows.condense(by, id, condensation));
  }

  list(viewer: Viewer, options?: { limit?: number }): Promise<Thread[]> {
    return this.#run("read", (rows) => rows.list(viewer, options));
  }

  delete(viewer: Viewer, id: string): Promise<boolean> {
    return this.#run("write", (rows) => rows.delete(viewer, id));
  }

  deleteExpired(): Promise<number> {
    return this.#run("write", (rows) => rows.deleteExpired());
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#file[Symbol.dispose]();
  }

  /** SQLite answers at once; the contract returns promises so that it also fits a store behind a network. */
  #run<T>(lock: Lock, work: (rows: ThreadRows) => T): Promise<T> {
    return new Promise((resolve) => {
      if (this.#isClosed) {
        throw new ExaiError("SHUTTING_DOWN", "the thread store is closed; the daemon is stopping");
      }
      resolve(this.#file.run(lock, work));
    });
  }
}
