import type { DatabaseSync } from "node:sqlite";
import { prepareAll, type Statements } from "../sqlite/sql.ts";

/**
 * The format of `calls.db`, version by version. What many calls have in common is normalized into `origin` and
 * `target`, so that a call is a row of a few numbers, which costs a quarter to write.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE origin (
     number INTEGER PRIMARY KEY,
     session TEXT NOT NULL,
     client TEXT NOT NULL, -- empty: it said none
     client_version TEXT NOT NULL,
     UNIQUE (session, client, client_version)
   ) STRICT;
   CREATE TABLE target (
     number INTEGER PRIMARY KEY,
     server TEXT NOT NULL, -- empty: it was led to none
     method TEXT NOT NULL,
     tool TEXT NOT NULL,
     UNIQUE (server, method, tool)
   ) STRICT;
   CREATE TABLE call (
     id INTEGER PRIMARY KEY,
     ended_ms INTEGER NOT NULL,
     duration_us INTEGER NOT NULL,
     origin INTEGER NOT NULL,
     target INTEGER NOT NULL,
     bytes_in INTEGER NOT NULL,
     bytes_out INTEGER NOT NULL,
     outcome TEXT, -- null: ok
     message TEXT
   ) STRICT;
   CREATE TABLE body (call INTEGER PRIMARY KEY, request TEXT NOT NULL, answer TEXT) STRICT;`,
  // Null for a call that asked no model; the price of one may be unknown.
  `ALTER TABLE call ADD COLUMN tokens_in INTEGER;
   ALTER TABLE call ADD COLUMN tokens_out INTEGER;
   ALTER TABLE call ADD COLUMN usd_millionths INTEGER;`,
  // What an export needs beside arguments and answers: who asked, what was said meanwhile, and what was shown.
  `ALTER TABLE body ADD COLUMN client TEXT;
   ALTER TABLE body ADD COLUMN events TEXT;
   CREATE TABLE shown (
     number INTEGER PRIMARY KEY,
     session TEXT NOT NULL,
     at_ms INTEGER NOT NULL,
     client TEXT NOT NULL,
     method TEXT NOT NULL,
     request TEXT NOT NULL,
     digest TEXT NOT NULL
   ) STRICT;
   CREATE INDEX shown_to ON shown (session, method, request);
   CREATE TABLE shown_text (digest TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;`,
];

/** Calls inserted by one statement, which costs an eighth of as many single ones. */
export const ROWS_AT_ONCE = 16;

const COLUMNS = "(?,?,?,?,?,?,?,?,?,?,?,?)";
const ADD_CALLS = "INSERT OR REPLACE INTO call VALUES ";
const SELECT = "SELECT id, ended_ms, duration_us, bytes_in, bytes_out, outcome, message, tokens_in, " +
  "tokens_out, usd_millionths, session, client, client_version, server, method, tool FROM call JOIN origin ON origin.number = origin " +
  "JOIN target ON target.number = target ";

const SQL = {
  addOrigin: insertOrFind("origin", "session, client, client_version"),
  addTarget: insertOrFind("target", "server, method, tool"),
  addCall: ADD_CALLS + COLUMNS,
  /** Inserts {@linkcode ROWS_AT_ONCE} calls. */
  addCalls: ADD_CALLS + Array(ROWS_AT_ONCE).fill(COLUMNS).join(","),
  addBody: "INSERT OR REPLACE INTO body (call, request, answer, client, events) VALUES (?, ?, ?, ?, ?)",
  call: `${SELECT} WHERE id = ?`,
  body: "SELECT request, answer, client, events FROM body WHERE call = ?",
  /** Calls that pass a filter, latest first. */
  calls: `${SELECT} WHERE (:session IS NULL OR substr(session, 1, length(:session)) = :session) ` +
    "AND (:server IS NULL OR server = :server) AND (:tool IS NULL OR tool = :tool) " +
    "AND (:outcome IS NULL OR ifnull(outcome, 'ok') = :outcome OR (:outcome = 'failed' AND outcome IS NOT NULL)) " +
    "AND (:since IS NULL OR ended_ms - duration_us / 1000 >= :since) ORDER BY id DESC LIMIT :limit",
  /** The last of the given number of calls after one of them. */
  lastAfter: "SELECT max(id) AS id FROM (SELECT id FROM call WHERE id > ? ORDER BY id LIMIT ?)",
  /** Calls of a session from after one of them up to another, in the order they began to be recorded. */
  idsBetween:
    "SELECT id, body.call IS NOT NULL AS has_bodies FROM call JOIN origin ON origin.number = origin " +
    "LEFT JOIN body ON body.call = id WHERE id > ? AND id <= ? AND substr(session, 1, length(?3)) = ?3 ORDER BY id",
  /** Nothing is added where the session was shown the same before. */
  addShown: "INSERT INTO shown (session, at_ms, client, method, request, digest) " +
    "SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE ?6 IS NOT (SELECT digest FROM shown " +
    "WHERE session = ?1 AND method = ?4 AND request = ?5 ORDER BY number DESC LIMIT 1)",
  addShownText: "INSERT OR IGNORE INTO shown_text (digest, text) VALUES (?, ?)",
  shownAfter: "SELECT number, session, at_ms, client, method, request, text FROM shown " +
    "JOIN shown_text USING (digest) WHERE number > ? AND substr(session, 1, length(?2)) = ?2 ORDER BY number LIMIT 1",
  /** What was shown to sessions that have no call left, before a time. */
  deleteOldShown: "DELETE FROM shown WHERE at_ms < ? AND session NOT IN (SELECT session FROM origin)",
  /** What was shown longest ago, of texts beyond a size together; their bytes are known without reading them. */
  deleteLargeShown: "DELETE FROM shown WHERE digest IN (SELECT digest FROM (SELECT digest, " +
    "sum(octet_length(text)) OVER (ORDER BY latest DESC, digest) AS bytes FROM shown_text JOIN " +
    "(SELECT digest, max(number) AS latest FROM shown GROUP BY digest) USING (digest)) WHERE bytes > ?)",
  deleteStrayShownTexts: "DELETE FROM shown_text WHERE digest NOT IN (SELECT digest FROM shown)",
  oldest: "SELECT id FROM call ORDER BY id LIMIT 1",
  /** The id of the call that has the given number of calls before it. */
  idAfterOldest: "SELECT id FROM call ORDER BY id LIMIT 1 OFFSET ?",
  /** The id of the first call that ended at a time or after. */
  firstSince: "SELECT id FROM call WHERE ended_ms >= ? ORDER BY id LIMIT 1",
  deleteCalls: "DELETE FROM call WHERE id < ?",
  deleteBodies: "DELETE FROM body WHERE call < ?",
  deleteStrayOrigins: "DELETE FROM origin WHERE number NOT IN (SELECT origin FROM call)",
  deleteStrayTargets: "DELETE FROM target WHERE number NOT IN (SELECT target FROM call)",
  pageCount: "PRAGMA page_count",
  freePages: "PRAGMA freelist_count",
  pageSize: "PRAGMA page_size",
} as const;

/** Inserts a row unless it exists; its number either way. */
function insertOrFind(table: string, columns: string): string {
  return `INSERT INTO ${table} (${columns}) VALUES (?, ?, ?) ` +
    "ON CONFLICT DO UPDATE SET number = number RETURNING number";
}

/** The statements of the record of calls. */
export type RecordStatements = Statements<keyof typeof SQL>;

/** Prepares every statement on `db`. */
export function prepareStatements(db: DatabaseSync): RecordStatements {
  return prepareAll(db, SQL);
}
