import { createHash } from "node:crypto";
import { exactJson } from "../base/json.ts";
import { MIB } from "../base/units.ts";
import { DEFAULT_ACCOUNT } from "../config/account_choice.ts";
import type { Statements } from "./sqlite/sql.ts";
import { type DatabaseEvents, openStatements, type ResilientDatabase } from "./resilient_database.ts";
import type { FoundEra, ListKey, ListStore, StoredView } from "../upstream/list_store.ts";

/** A larger view is not saved, in characters. */
const MAX_VIEW_CHARS = 8 * MIB;

/** Places of one server, so that a server in many directories does not displace the others. */
const MAX_PLACES = 32;

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE view (
     server TEXT NOT NULL,
     capabilities TEXT NOT NULL,
     config TEXT NOT NULL,
     text TEXT NOT NULL,
     kept_ms INTEGER NOT NULL,
     PRIMARY KEY (server, capabilities)
   );`,
  // The digests of the first format cannot be computed from those of this one: servers are asked again.
  `DROP TABLE view;
   CREATE TABLE view (
     server TEXT NOT NULL,
     place TEXT NOT NULL,
     config TEXT NOT NULL,
     digest TEXT NOT NULL,
     text TEXT NOT NULL,
     kept_ms INTEGER NOT NULL,
     PRIMARY KEY (server, place)
   );`,
  `CREATE TABLE era (
     config TEXT NOT NULL PRIMARY KEY,
     era TEXT NOT NULL,
     found_ms INTEGER NOT NULL
   );`,
];

/** Servers whose era is kept, each in one configuration. */
const MAX_ERAS = 1000;

/** Deletes the oldest views beyond the bounds. */
const PRUNE = `DELETE FROM view WHERE rowid IN (
  SELECT id FROM (
    SELECT rowid AS id, row_number() OVER newest AS n, sum(length(text)) OVER newest AS chars,
      row_number() OVER (PARTITION BY server ORDER BY kept_ms DESC, rowid DESC) AS place FROM view
    WINDOW newest AS (ORDER BY kept_ms DESC, rowid DESC)
  ) WHERE n > ? OR chars > ? OR place > ${MAX_PLACES}
)`;

interface SavedListsOptions extends DatabaseEvents {
  /** Most views in the file. */
  maxViews?: number;
  /** Size of all views together, in characters. */
  maxChars?: number;
}

const SQL = {
  latest: "SELECT text FROM view WHERE server = ? AND config = ? ORDER BY kept_ms DESC, rowid DESC LIMIT 1",
  at: "SELECT text, digest FROM view WHERE server = ? AND config = ? AND place = ?",
  digests: "SELECT count(DISTINCT digest) AS n FROM view WHERE server = ? AND config = ?",
  outdate: "DELETE FROM view WHERE server = ? AND (config != ? OR digest = ?)",
  set: "INSERT OR REPLACE INTO view VALUES (?, ?, ?, ?, ?, ?)",
  forget:
    `DELETE FROM view WHERE server = ? AND config = ? AND coalesce(json_extract(text, '$.account'), '${DEFAULT_ACCOUNT}') = ?`,
  newest: "SELECT text FROM view WHERE server = ? ORDER BY kept_ms DESC, rowid DESC LIMIT 1",
  prune: PRUNE,
  era: "SELECT era, found_ms FROM era WHERE config = ?",
  setEra: "INSERT OR REPLACE INTO era VALUES (?, ?, ?)",
  forgetEra: "DELETE FROM era WHERE config = ?",
  pruneEras:
    `DELETE FROM era WHERE rowid NOT IN (SELECT rowid FROM era ORDER BY found_ms DESC LIMIT ${MAX_ERAS})`,
} as const;

/** The latest lists of mounted servers, in SQLite. Faults are logged, not thrown: without it servers are asked. */
export class SqliteServerLists implements ListStore, Disposable {
  readonly #bounds: readonly [maxViews: number, maxChars: number];
  readonly #file: ResilientDatabase<Statements<keyof typeof SQL>>;

  constructor(path: string, options: SavedListsOptions = {}) {
    this.#bounds = [options.maxViews ?? 500, options.maxChars ?? 64 * MIB];
    const { onChange, onQuarantine } = options;
    this.#file = openStatements({
      path,
      what: "the lists of the servers,",
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

  latest({ server, config }: ListKey): StoredView | undefined {
    const row = this.#file.use((sql) => sql.latest.get(server, config));
    return row && parse(String(row.text));
  }

  at({ server, config }: ListKey, place: string): StoredView | undefined {
    const row = this.#file.use((sql) => sql.at.get(server, config, place));
    return row && parse(String(row.text));
  }

  varies({ server, config }: ListKey): boolean {
    const row = this.#file.use((sql) => sql.digests.get(server, config));
    return Number(row?.n ?? 0) > 1;
  }

  set({ server, config }: ListKey, place: string, view: StoredView): void {
    const text = textOf(view);
    if (text === undefined || text.length > MAX_VIEW_CHARS) return;
    const digest = digestOf(view);
    this.#file.write((sql) => {
      const before = sql.at.get(server, config, place)?.digest;
      // Places that listed the same before are most likely shown by the same new release of the server.
      sql.outdate.run(server, config, before === digest ? null : before ?? null);
      sql.set.run(server, place, config, digest, text, Date.now());
      sql.prune.run(...this.#bounds);
    });
  }

  forget({ server, config }: ListKey, account: string): void {
    this.#file.write((sql) => void sql.forget.run(server, config, account));
  }

  era(config: string): FoundEra | undefined {
    const row = this.#file.use((sql) => sql.era.get(config));
    const era = row?.era;
    return era === "legacy" || era === "modern" ? { era, atMs: Number(row!.found_ms) } : undefined;
  }

  setEra(config: string, found: FoundEra | undefined): void {
    this.#file.write((sql) => {
      if (!found) return void sql.forgetEra.run(config);
      sql.setEra.run(config, found.era, found.atMs);
      sql.pruneEras.run();
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

/** Equal for views whose lists are; resources are left out, as they belong to a directory. */
function digestOf({ lists: { tools, prompts, templates } }: StoredView): string {
  return createHash("sha256").update(JSON.stringify([tools, prompts, templates])).digest("base64url");
}

/** Undefined for text that is not JSON; the server is asked then. */
function parse(text: string): StoredView | undefined {
  try {
    return exactJson(text) as unknown as StoredView;
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
