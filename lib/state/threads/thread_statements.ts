import type { DatabaseSync } from "node:sqlite";
import { prepareAll, type Statements } from "../sqlite/sql.ts";
import type { Turn } from "../thread_store.ts";

/** The format of the thread database, version by version. Published entries never change; new ones are appended. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE thread (
    id TEXT PRIMARY KEY,
    tool TEXT NOT NULL,
    title TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    used_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX thread_used ON thread (used_at_ms);

  CREATE TABLE turn (
    seq INTEGER PRIMARY KEY,
    thread_id TEXT NOT NULL REFERENCES thread (id) ON DELETE CASCADE,
    tool TEXT NOT NULL,
    run INTEGER NOT NULL,
    step INTEGER, -- null for an exchange that is no step
    branch TEXT NOT NULL,
    last INTEGER NOT NULL,
    request TEXT NOT NULL, -- JSON
    reply TEXT, -- JSON; null when it follows from the requests
    at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX turn_thread ON turn (thread_id, seq);
  CREATE UNIQUE INDEX turn_step ON turn (thread_id, tool, run, branch, step) WHERE step IS NOT NULL;
  `,
  `
  ALTER TABLE thread ADD COLUMN owner TEXT; -- as ownerKey writes it; null: begun before threads had owners
  CREATE INDEX thread_owner ON thread (owner, used_at_ms);
  `,
];

/** A thread as stored. */
export interface ThreadRow {
  id: string;
  tool: string;
  title: string;
  createdAtMs: number;
  usedAtMs: number;
  owner: string | null;
  turns: number;
}

const THREAD = "SELECT thread.*, (SELECT count(*) FROM turn WHERE thread_id = id) AS turns FROM thread";
// Threads used in the same millisecond are ordered by their last turns.
const LATEST_FIRST =
  "ORDER BY used_at_ms DESC, (SELECT max(seq) FROM turn WHERE thread_id = id) DESC, id LIMIT ?";
const OF_RUN = "thread_id = ? AND tool = ? AND run = ?";

const SQL = {
  addThread:
    "INSERT INTO thread (id, tool, title, created_at_ms, used_at_ms, owner) VALUES (?, ?, ?, ?, ?, ?)",
  thread: `${THREAD} WHERE id = ? AND used_at_ms > ?`,
  adopt: "UPDATE thread SET owner = ? WHERE id = ? AND owner IS NULL",
  threads: `${THREAD} WHERE used_at_ms > ? ${LATEST_FIRST}`,
  threadsOf: `${THREAD} WHERE used_at_ms > ? AND owner IN (SELECT value FROM json_each(?)) ${LATEST_FIRST}`,
  touch: "UPDATE thread SET used_at_ms = ? WHERE id = ?",
  deleteThread: "DELETE FROM thread WHERE id = ?",
  deleteExpired: "DELETE FROM thread WHERE used_at_ms <= ?",
  currentRun: "SELECT max(run) AS run FROM turn WHERE thread_id = ? AND tool = ?",
  isFinished: `SELECT 1 FROM turn WHERE ${OF_RUN} AND last = 1 LIMIT 1`,
  hasStep: `SELECT request FROM turn WHERE ${OF_RUN} AND branch = ? AND step = ?`,
  dropSteps: `DELETE FROM turn WHERE ${OF_RUN} AND step >= ?`,
  putTurn: `
    INSERT INTO turn (thread_id, tool, run, branch, step, last, request, reply, at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (thread_id, tool, run, branch, step) WHERE step IS NOT NULL DO UPDATE
    SET last = CASE WHEN request = excluded.request THEN max(last, excluded.last) ELSE excluded.last END,
      reply = coalesce(excluded.reply, CASE WHEN request = excluded.request THEN reply END),
      request = excluded.request, at_ms = excluded.at_ms`,
  deleteTurn: "DELETE FROM turn WHERE seq = ?",
  insertTurn:
    "INSERT INTO turn (seq, thread_id, tool, run, branch, last, request, at_ms) VALUES (?, ?, ?, 1, '', 0, ?, ?)",
  turns: "SELECT * FROM turn WHERE thread_id = ? ORDER BY seq",
  turnsOfRun: `SELECT * FROM turn WHERE ${OF_RUN} ORDER BY seq`,
} as const;

/** The statements of the store of threads. */
export type ThreadStatements = Statements<keyof typeof SQL>;

/** Prepares every statement on `db`. */
export function prepareStatements(db: DatabaseSync): ThreadStatements {
  return prepareAll(db, SQL);
}

/** A row of the table `thread`, with the number of its turns. */
export function toThreadRow(row: Record<string, unknown>): ThreadRow {
  return {
    id: String(row.id),
    tool: String(row.tool),
    title: String(row.title),
    createdAtMs: Number(row.created_at_ms),
    usedAtMs: Number(row.used_at_ms),
    owner: row.owner === null ? null : String(row.owner),
    turns: Number(row.turns),
  };
}

/** A row of the table `turn` as a turn. */
export function toTurn(row: Record<string, unknown>): Turn {
  return {
    tool: String(row.tool),
    run: Number(row.run),
    ...(row.step === null
      ? {}
      : { step: { number: Number(row.step), branch: String(row.branch), last: row.last === 1 } }),
    request: JSON.parse(String(row.request)),
    ...(row.reply === null ? {} : { reply: JSON.parse(String(row.reply)) }),
    atMs: Number(row.at_ms),
  };
}
