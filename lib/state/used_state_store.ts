import type { UsedState, UsedStateRecords } from "../call/used_states.ts";
import { type DatabaseEvents, openStatements, type ResilientDatabase } from "./resilient_database.ts";
import type { Statements } from "./sqlite/sql.ts";

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE daemon (
     id TEXT PRIMARY KEY -- since it began, each use of a state is here until that expires
   ) STRICT;
   CREATE TABLE used_state (
     key TEXT PRIMARY KEY,
     answers TEXT NOT NULL, -- a digest
     expires_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX used_state_by_expiry ON used_state (expires_ms);`,
];

const SQL = {
  begin: "INSERT INTO daemon VALUES (?)",
  dropDaemons: "DELETE FROM daemon WHERE rowid NOT IN (SELECT rowid FROM daemon ORDER BY rowid DESC LIMIT ?)",
  hasDaemon: "SELECT 1 FROM daemon WHERE id = ?",
  add: "INSERT OR REPLACE INTO used_state VALUES (?, ?, ?)",
  get: "SELECT answers FROM used_state WHERE key = ?",
  dropExpired: "DELETE FROM used_state WHERE expires_ms <= ?",
} as const;

type UsedStateStatements = Statements<keyof typeof SQL>;

/** Daemons whose records are kept: states expire within minutes, and daemons seldom start that often. */
const MAX_DAEMONS = 32;

interface UsedStateStoreOptions extends DatabaseEvents {
  /** The time in milliseconds since 1970. */
  now?: () => number;
}

/**
 * Used states in SQLite. Faults are logged, not thrown. After one the file no longer says of any earlier state that it was
 * not used.
 */
export class SqliteUsedStateStore implements UsedStateRecords, Disposable {
  readonly daemon = crypto.randomUUID();
  readonly #file: ResilientDatabase<UsedStateStatements>;
  readonly #now: () => number;

  constructor(path: string, { now = Date.now, onChange, onQuarantine }: UsedStateStoreOptions = {}) {
    this.#now = now;
    let isFirst = true;
    this.#file = openStatements({
      path,
      what: "the record of used requestStates",
      migrations: MIGRATIONS,
      sql: SQL,
      // A use that is missing would count as none, and the call be run twice.
      losesAllByFault: true,
      onChange,
      onQuarantine,
      onOpen: (sql) => {
        if (isFirst) sql.begin.run(this.daemon);
        sql.dropDaemons.run(isFirst ? MAX_DAEMONS : 0);
        sql.dropExpired.run(this.#now());
      },
    });
    isFirst = false;
  }

  /** Why the file cannot be used now, in a sentence. */
  get fault(): string | undefined {
    return this.#file.fault;
  }

  add({ key, answers, expiresAtMs }: UsedState): void {
    this.#file.write((sql) => {
      sql.dropExpired.run(this.#now());
      sql.add.run(key, answers, expiresAtMs);
    });
  }

  find(key: string, daemon: string): Pick<UsedState, "answers"> | "unknown" | undefined {
    const found = this.#file.use((sql) => ({ row: sql.get.get(key), isWhole: sql.hasDaemon.get(daemon) }));
    if (found?.row) return { answers: String(found.row.answers) };
    return found?.isWhole ? undefined : "unknown";
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
