import type { DatabaseSync, StatementSync } from "node:sqlite";
import { MIB, SECOND_MS } from "../base/units.ts";
import { ResilientDatabase } from "./resilient_database.ts";
import type { ListStore, StoredView, ViewKey } from "../upstream/list_store.ts";

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

const RETRY_MS = 5 * SECOND_MS;

export interface SavedListsOptions {
  /** Views kept at most. */
  maxViews?: number;
  /** Characters of all views together. */
  maxChars?: number;
  /** Called when a fault has come or gone. */
  onchange?(): void;
  /** Called with a sentence when a file that could not be read was put aside. */
  onaside?(note: string): void;
}

interface SavedListStatements {
  get: StatementSync;
  set: StatementSync;
  prune: StatementSync;
}

/** What mounted servers showed last, in SQLite. A fault of it is told once, never thrown: it holds nothing that is missed. */
export class SqliteServerLists implements ListStore, Disposable {
  readonly #bounds: readonly [maxViews: number, maxChars: number];
  readonly #file: ResilientDatabase<SavedListStatements>;

  constructor(path: string, options: SavedListsOptions = {}) {
    this.#bounds = [options.maxViews ?? 500, options.maxChars ?? 64 * MIB];
    this.#file = new ResilientDatabase({
      path,
      what: "the lists of the servers,",
      migrations: MIGRATIONS,
      prepare: prepareStatements,
      retryMs: RETRY_MS,
      onchange: options.onchange,
      onaside: options.onaside,
    });
    this.#file.open();
  }

  /** What is wrong with it, in a sentence. */
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
    this.#file.useAtOnce((sql) => {
      sql.set.run(server, capabilities, config, text, Date.now());
      sql.prune.run(...this.#bounds);
    });
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

function prepareStatements(db: DatabaseSync): SavedListStatements {
  return {
    get: db.prepare("SELECT text FROM view WHERE server = ? AND capabilities = ? AND config = ?"),
    set: db.prepare("INSERT OR REPLACE INTO view VALUES (?, ?, ?, ?, ?)"),
    prune: db.prepare(PRUNE),
  };
}

/** A view that cannot be read is as good as none: the server is asked. */
function parse(text: string): StoredView | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Undefined for lists that are nested too deeply to be written; they are asked for again. */
function textOf(view: StoredView): string | undefined {
  try {
    return JSON.stringify(view);
  } catch {
    return undefined;
  }
}
