import type { DatabaseSync, StatementSync } from "node:sqlite";

/** The format of `journal.db`, version by version. An answer has a row of its own, since it comes later or never. */
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

/** The statements of the journal, prepared once. */
export interface JournalStatements {
  boot: StatementSync;
  deleteBoot: StatementSync;
  setBoot: StatementSync;
  addSession: StatementSync;
  sessionByToken: StatementSync;
  touchSession: StatementSync;
  clearTail: StatementSync;
  deleteSession: StatementSync;
  deleteOldSessions: StatementSync;
  addCall: StatementSync;
  callsOfSession: StatementSync;
  deleteCall: StatementSync;
  deleteStrayCalls: StatementSync;
  addAnswer: StatementSync;
  deleteAnswer: StatementSync;
  deleteStrayAnswers: StatementSync;
  answersChars: StatementSync;
  answersByAge: StatementSync;
}

/** Prepares every statement on `db`. */
export function prepareStatements(db: DatabaseSync): JournalStatements {
  const sql = (text: string) => db.prepare(text);
  return {
    boot: sql("SELECT at_ms FROM boot"),
    deleteBoot: sql("DELETE FROM boot"),
    setBoot: sql("INSERT INTO boot (at_ms) VALUES (?)"),
    addSession: sql("INSERT INTO session (token_hash, tail, used_ms) VALUES (?, ?, ?)"),
    sessionByToken: sql("SELECT number, tail FROM session WHERE token_hash = ?"),
    touchSession: sql("UPDATE session SET tail = ?, used_ms = ? WHERE number = ?"),
    clearTail: sql("UPDATE session SET tail = '' WHERE tail = ?"),
    deleteSession: sql("DELETE FROM session WHERE number = ?"),
    deleteOldSessions: sql("DELETE FROM session WHERE used_ms < ?"),
    addCall: sql("INSERT INTO call (session, request) VALUES (?, ?)"),
    callsOfSession: sql(
      "SELECT number, request, text FROM call LEFT JOIN answer ON call = number WHERE session = ? ORDER BY number",
    ),
    deleteCall: sql("DELETE FROM call WHERE number = ?"),
    deleteStrayCalls: sql("DELETE FROM call WHERE session NOT IN (SELECT number FROM session)"),
    addAnswer: sql("INSERT OR REPLACE INTO answer (call, text) VALUES (?, ?)"),
    deleteAnswer: sql("DELETE FROM answer WHERE call = ?"),
    deleteStrayAnswers: sql("DELETE FROM answer WHERE call NOT IN (SELECT number FROM call)"),
    answersChars: sql("SELECT sum(chars) AS chars FROM answer"),
    answersByAge: sql("SELECT call, chars FROM answer ORDER BY call"),
  };
}
