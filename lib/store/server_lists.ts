import type { DatabaseSync, StatementSync } from "node:sqlite";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { MIB } from "../base/units.ts";
import { openDatabase } from "../sqlite/database.ts";
import type { KeptView, ListStore, ViewKey } from "../upstream/list_store.ts";

const log = getLogger(["exai", "lists"]);

/** A view larger than this is not kept, in characters. */
const MAX_VIEW_CHARS = 8 * MIB;

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE view (
     server TEXT NOT NULL,
     capabilities TEXT NOT NULL,
     config TEXT NOT NULL,
     text TEXT NOT NULL,
     kept_ms INTEGER NOT NULL,
     PRIMARY KEY (server, capabilities)
   );`,
];

/** Takes away what is beyond the bounds, the longest kept first. */
const PRUNE = `DELETE FROM view WHERE rowid IN (
  SELECT id FROM (
    SELECT rowid AS id, row_number() OVER newest AS n, sum(length(text)) OVER newest AS chars FROM view
    WINDOW newest AS (ORDER BY kept_ms DESC, rowid DESC)
  ) WHERE n > ? OR chars > ?
)`;

export interface ServerListsOptions {
  /** Views kept at most. */
  maxViews?: number;
  /** Characters of all views together. */
  maxChars?: number;
}

/** What mounted servers showed last, in SQLite. A fault of it is told once, never thrown: it holds nothing that is missed. */
export class SqliteServerLists implements ListStore, Disposable {
  readonly #path: string;
  readonly #bounds: readonly [maxViews: number, maxChars: number];
  #db: DatabaseSync | undefined;
  #get: StatementSync | undefined;
  #set: StatementSync | undefined;
  #fault: string | undefined;

  constructor(path: string, options: ServerListsOptions = {}) {
    this.#path = path;
    this.#bounds = [options.maxViews ?? 500, options.maxChars ?? 64 * MIB];
    this.#attempt(() => this.#open());
    if (!this.#fault) return;
    // One that is damaged, or of a newer version, is begun anew.
    this.#fault = undefined;
    for (const file of [path, `${path}-wal`, `${path}-shm`]) this.#remove(file);
    this.#attempt(() => this.#open());
  }

  /** What is wrong with it, in a sentence. */
  get fault(): string | undefined {
    return this.#fault;
  }

  get({ server, capabilities, config }: ViewKey): KeptView | undefined {
    return this.#attempt(() => {
      const row = this.#get?.get(server, capabilities, config);
      return row && JSON.parse(String(row.text));
    });
  }

  set({ server, capabilities, config }: ViewKey, view: KeptView): void {
    const text = textOf(view);
    if (text === undefined || text.length > MAX_VIEW_CHARS) return;
    this.#attempt(() => {
      this.#set?.run(server, capabilities, config, text, Date.now());
      this.#db?.prepare(PRUNE).run(...this.#bounds);
    });
  }

  [Symbol.dispose](): void {
    this.#attempt(() => this.#db?.close());
    this.#db = this.#get = this.#set = undefined;
  }

  #open(): void {
    const db = openDatabase(this.#path, MIGRATIONS);
    this.#db = db;
    this.#get = db.prepare("SELECT text FROM view WHERE server = ? AND capabilities = ? AND config = ?");
    this.#set = db.prepare("INSERT OR REPLACE INTO view VALUES (?, ?, ?, ?, ?)");
  }

  #attempt<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (thrown) {
      const isFirst = this.#fault === undefined;
      this.#fault = `the lists of the servers cannot be kept in ${this.#path}: ${messageOf(thrown)}`;
      if (isFirst) log.warning("{fault}", { fault: this.#fault });
      return undefined;
    }
  }

  #remove(file: string): void {
    try {
      Deno.removeSync(file);
    } catch {
      // Not there, or not ours to remove.
    }
  }
}

/** Undefined for lists that are nested too deeply to be written; they are asked for again. */
function textOf(view: KeptView): string | undefined {
  try {
    return JSON.stringify(view);
  } catch {
    return undefined;
  }
}
