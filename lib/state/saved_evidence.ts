import { type EvidenceStore, readEvidence, type StoredEvidence } from "../upstream/evidence_store.ts";
import { type DatabaseEvents, openStatements, type ResilientDatabase } from "./resilient_database.ts";
import type { Statements } from "./sqlite/sql.ts";

/** Configurations kept at most; beyond that the ones not seen for longest are forgotten. */
const MAX_CONFIGURATIONS = 500;

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE evidence (
     config TEXT PRIMARY KEY,
     text TEXT NOT NULL,
     kept_ms INTEGER NOT NULL
   );`,
];

const SQL = {
  get: "SELECT text FROM evidence WHERE config = ?",
  set: "INSERT OR REPLACE INTO evidence VALUES (?, ?, ?)",
  prune: `DELETE FROM evidence WHERE config IN (
    SELECT config FROM evidence ORDER BY kept_ms DESC, rowid DESC LIMIT -1 OFFSET ?
  )`,
} as const;

/** What was observed of mounted servers, in SQLite. Faults are logged, not thrown: without it they are observed anew. */
export class SqliteSharingEvidence implements EvidenceStore, Disposable {
  readonly #file: ResilientDatabase<Statements<keyof typeof SQL>>;
  readonly #maxConfigurations: number;

  constructor(path: string, options: DatabaseEvents & { maxConfigurations?: number } = {}) {
    this.#maxConfigurations = options.maxConfigurations ?? MAX_CONFIGURATIONS;
    const { onChange, onQuarantine } = options;
    this.#file = openStatements({
      path,
      what: "what was learned about sharing servers,",
      migrations: MIGRATIONS,
      sql: SQL,
      onChange,
      onQuarantine,
    });
  }

  /** Why the file cannot be used now, in a sentence. */
  get fault(): string | undefined {
    return this.#file.fault;
  }

  get(config: string): StoredEvidence | undefined {
    const row = this.#file.use((sql) => sql.get.get(config));
    return row && readEvidence(String(row.text));
  }

  set(config: string, evidence: StoredEvidence): void {
    this.#file.write((sql) => {
      sql.set.run(config, JSON.stringify(evidence), Date.now());
      sql.prune.run(this.#maxConfigurations);
    });
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
