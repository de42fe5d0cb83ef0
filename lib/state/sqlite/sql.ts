import type { DatabaseSync, StatementSync } from "node:sqlite";

/** The path of a database in memory, which ends with its connection. */
export const IN_MEMORY = ":memory:";

/** Whether a transaction only reads, beside others, or writes, alone among all writers. */
export type Lock = "read" | "write";

/** What may stand between statements. Deno crashes on the text of a prepared statement that holds nothing else. */
const BETWEEN_STATEMENTS = /^(?:[ \t\n\f\r;]|--[^\n]*|\/\*(?:[^*]|\*(?!\/))*(?:\*\/|$))+/;

/**
 * Runs every statement of `script`; comments between and after them are skipped.
 *
 * In place of `DatabaseSync.exec`, whose errors have no `errcode` in Deno: only those of prepared statements do.
 *
 * @throws {Error} with the result code of SQLite as `errcode`
 */
export function execute(db: DatabaseSync, script: string): void {
  for (let rest = afterComments(script); rest !== "";) {
    const statement = db.prepare(rest);
    statement.all();
    rest = afterComments(rest.slice(statement.sourceSQL.length));
  }
}

function afterComments(script: string): string {
  return script.replace(BETWEEN_STATEMENTS, "");
}

/** Prepared statements by name. */
export type Statements<Name extends string> = Readonly<Record<Name, StatementSync>>;

/** Prepares every statement in `texts` under its name. */
export function prepareAll<Name extends string>(
  db: DatabaseSync,
  texts: Readonly<Record<Name, string>>,
): Statements<Name> {
  const statements: Partial<Record<Name, StatementSync>> = {};
  for (const name of Object.keys(texts) as Name[]) statements[name] = db.prepare(texts[name]);
  return statements as Statements<Name>;
}

/** The value of `PRAGMA name`. */
export function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

/**
 * Runs `work` in a transaction: committed when it returns, rolled back when it throws.
 *
 * @throws what `work` or SQLite throws
 *
 * @example
 * ```ts
 * import { DatabaseSync } from "node:sqlite";
 * import { execute, IN_MEMORY, inTransaction } from "./sql.ts";
 *
 * const db = new DatabaseSync(IN_MEMORY);
 * execute(db, "CREATE TABLE note (text TEXT)");
 * const { changes } = inTransaction(db, "write", () => db.prepare("INSERT INTO note VALUES (?)").run("a"));
 * console.assert(changes === 1);
 * db.close();
 * ```
 */
export function inTransaction<T>(db: DatabaseSync, lock: Lock, work: () => T): T {
  const statements = transactionStatements(db);
  statements[lock].run();
  try {
    const result = work();
    statements.commit.run();
    return result;
  } catch (thrown) {
    rollBack(db);
    throw thrown;
  }
}

/** Some faults, such as a full disk, end the transaction in SQLite itself. */
function rollBack(db: DatabaseSync): void {
  try {
    if (db.isTransaction) transactionStatements(db).rollback.run();
  } catch {
    // As with a damaged file. The error that led here says more, and is thrown.
  }
}

const TRANSACTION = {
  read: "BEGIN",
  write: "BEGIN IMMEDIATE",
  commit: "COMMIT",
  rollback: "ROLLBACK",
} as const;
const prepared = new WeakMap<DatabaseSync, Statements<keyof typeof TRANSACTION>>();

/** Prepared once for each database: a statement that is prepared anew is freed only when V8 collects it. */
function transactionStatements(db: DatabaseSync): Statements<keyof typeof TRANSACTION> {
  let known = prepared.get(db);
  if (!known) prepared.set(db, known = prepareAll(db, TRANSACTION));
  return known;
}
