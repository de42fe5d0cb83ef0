import { MIB } from "../base/units.ts";
import { prepareAll, type Statements } from "./sqlite/sql.ts";
import { type DatabaseEvents, ResilientDatabase } from "./resilient_database.ts";
import type { ListStore, StoredView, ViewKey } from "../upstream/list_store.ts";

/** A larger view is not saved, in characters. */
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

/** Deletes the oldest views beyond the bounds. */
const PRUNE = `DELETE FROM view WHERE rowid IN (
  SELECT id FROM (
    SELECT rowid AS id, row_number() OVER newest AS n, sum(length(text)) OVER newest AS chars FROM view
    WINDOW newest AS (ORDER BY kept_ms DESC, rowid DESC)
  ) WHERE n > ? OR chars > ?
)`;

interface SavedListsOptions extends DatabaseEvents {
  /** Most views in the file. */
  maxViews?: number;
  /** Size of all views together, in characters. */
  maxChars?: number;
}

const SQL = {
  get: "SELECT text FROM view WHERE server = ? AND capabilities = ? AND config = ?",
  set: "INSERT OR REPLACE INTO view VALUES (?, ?, ?, ?, ?)",
  newest: "SELECT text FROM view WHERE server = ? ORDER BY kept_ms DESC, rowid DESC LIMIT 1",
  prune: PRUNE,
} as const;

/** The latest lists of mounted servers, in SQLite. Faults are logged, not thrown: without it servers are asked. */
export class SqliteServerLists implements ListStore, Disposable {
  readonly #bounds: readonly [maxViews: number, maxChars: number];
  readonly #file: ResilientDatabase<Statements<keyof typeof SQL>>;

  constructor(path: string, options: SavedListsOptions = {}) {
    this.#bounds = [options.maxViews ?? 500, options.maxChars ?? 64 * MIB];
    this.#file = new ResilientDatabase({
      path,
      what: "the lists of the servers,",
      migrations: MIGRATIONS,
      prepare: (db) => prepareAll(db, SQL),
      onChange: options.onChange,
      onQuarantine: options.onQuarantine,
    });
    this.#file.open();
  }

  /** Why the file cannot be used now, in a sentence. */
  get fault(): string | undefined {
    return this.#file.fault;
  }

  get({ server, capabilities, config }: ViewKey): StoredView | undefined {
    const row = this.#file.use((sql) => sql.get.get(server, capabilities, config));
    return row && parse(String(row.text));
  }

  set({ server, capabilities, config }: ViewKey, view: StoredView): void {
    const text = textOf(view);
    if (text === undefined || text.length > MAX_VIEW_CHARS) return;
    this.#file.write((sql) => {
      sql.set.run(server, capabilities, config, text, Date.now());
      sql.prune.run(...this.#bounds);
    });
  }

  /** The names of the tools that the server had when it ran last, however it was configured then. */
  toolNames(server: string): string[] {
    const row = this.#file.use((sql) => sql.newest.get(server));
    const tools = row === undefined ? [] : parse(String(row.text))?.lists.tools ?? [];
    return tools.flatMap(({ name }) => typeof name === "string" ? [name] : []);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** Undefined for text that is not JSON; the server is asked then. */
function parse(text: string): StoredView | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Undefined for lists nested too deeply to be serialized; they are asked for again. */
function textOf(view: StoredView): string | undefined {
  try {
    return JSON.stringify(view);
  } catch {
    return undefined;
  }
}
