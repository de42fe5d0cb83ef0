import type { DatabaseSync } from "node:sqlite";
import { prepareAll, type Statements } from "../sqlite/sql.ts";

/** The format of `journal.db`, version by version. An answer has its own row, since it comes later or never. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE boot (at_ms INTEGER NOT NULL);
   CREATE TABLE session (
     number INTEGER PRIMARY KEY,
     token_hash BLOB NOT NULL,
     tail TEXT NOT NULL,
     used_ms INTEGER NOT NULL
   );
   CREATE INDEX session_by_token ON session (token_hash);
   CREATE TABLE call (
     number INTEGER PRIMARY KEY,
     session INTEGER NOT NULL,
     request TEXT NOT NULL
   );
   CREATE TABLE answer (
     call INTEGER PRIMARY KEY,
     chars INTEGER GENERATED ALWAYS AS (length(text)) STORED,
     text TEXT NOT NULL
   );`,
];

const SQL = {
  boot: "SELECT at_ms FROM boot",
  deleteBoot: "DELETE FROM boot",
  setBoot: "INSERT INTO boot (at_ms) VALUES (?)",
  addSession: "INSERT INTO session (token_hash, tail, used_ms) VALUES (?, ?, ?)",
  sessionByToken: "SELECT number, tail FROM session WHERE token_hash = ?",
  touchSession: "UPDATE session SET tail = ?, used_ms = ? WHERE number = ?",
  clearTail: "UPDATE session SET tail = '' WHERE tail = ?",
  deleteSession: "DELETE FROM session WHERE number = ?",
  deleteOldSessions: "DELETE FROM session WHERE used_ms < ?",
  addCall: "INSERT INTO call (session, request) VALUES (?, ?)",
  callsOfSession:
    "SELECT number, request, text FROM call LEFT JOIN answer ON call = number WHERE session = ? ORDER BY number",
  deleteCall: "DELETE FROM call WHERE number = ?",
  deleteStrayCalls: "DELETE FROM call WHERE session NOT IN (SELECT number FROM session)",
  addAnswer: "INSERT OR REPLACE INTO answer (call, text) VALUES (?, ?)",
  deleteAnswer: "DELETE FROM answer WHERE call = ?",
  deleteStrayAnswers: "DELETE FROM answer WHERE call NOT IN (SELECT number FROM call)",
  answersChars: "SELECT sum(chars) AS chars FROM answer",
  answersByAge: "SELECT call, chars FROM answer ORDER BY call",
} as const;

/** The statements of the journal. */
export type JournalStatements = Statements<keyof typeof SQL>;

/** Prepares every statement on `db`. */
export function prepareStatements(db: DatabaseSync): JournalStatements {
  return prepareAll(db, SQL);
}
