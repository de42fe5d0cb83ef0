import { ExaiError, messageOf } from "../../base/errors.ts";
import { SECOND_MS } from "../../base/units.ts";

/** When a caller should ask a busy database again, in milliseconds. */
const RETRY_AFTER_MS = SECOND_MS / 2;

/** Result codes of SQLite (https://www.sqlite.org/rescode.html). */
const SQLITE = {
  PERM: 3,
  BUSY: 5,
  LOCKED: 6,
  NOMEM: 7,
  READONLY: 8,
  INTERRUPT: 9,
  IOERR: 10,
  CORRUPT: 11,
  FULL: 13,
  CANTOPEN: 14,
  PROTOCOL: 15,
  NOLFS: 22,
  AUTH: 23,
  NOTADB: 26,
  IOERR_SHORT_READ: 522,
  IOERR_CORRUPTFS: 8458,
  IOERR_IN_PAGE: 8714,
} as const;

/** Primary codes caused by the machine or another process, not by the content of the file. */
const ENVIRONMENT: readonly number[] = [
  SQLITE.PERM,
  SQLITE.BUSY,
  SQLITE.LOCKED,
  SQLITE.NOMEM,
  SQLITE.READONLY,
  SQLITE.INTERRUPT,
  SQLITE.IOERR,
  SQLITE.FULL,
  SQLITE.CANTOPEN,
  SQLITE.PROTOCOL,
  SQLITE.NOLFS,
  SQLITE.AUTH,
];

/** Codes for bad content of the file; some extended codes of `IOERR` are among them. */
const DAMAGE = {
  primary: [SQLITE.CORRUPT, SQLITE.NOTADB] as readonly number[],
  extended: [SQLITE.IOERR_SHORT_READ, SQLITE.IOERR_CORRUPTFS, SQLITE.IOERR_IN_PAGE] as readonly number[],
};

/** The content of the file cannot be used, and trying again does not help. */
export class DamagedDatabase extends ExaiError {
  /** What is wrong with it, without the name of the file. */
  readonly reason: string;

  constructor(path: string, reason: string, cause?: unknown) {
    const advice = "move it and its -wal and -shm files away and start again; what is in it is lost";
    super("CONFIG", `the database ${path} is damaged (${reason}): ${advice}`, { cause });
    this.reason = reason;
  }
}

/** The result code in an error of SQLite, extended where it is known; undefined for any other error. */
function resultCode(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || thrown instanceof ExaiError) return undefined;
  const { code, errcode } = thrown as { code?: unknown; errcode?: unknown };
  if (typeof errcode === "number") return errcode;
  // Deno sets `errcode` in errors of prepared statements. `new DatabaseSync` has none, and fails only in
  // sqlite3_open_v2, which reads nothing of the file.
  return code === "ERR_SQLITE_ERROR" ? SQLITE.CANTOPEN : undefined;
}

/** Whether an error in a database in use says that its file is damaged. */
export function isDamage(thrown: unknown): boolean {
  if (thrown instanceof DamagedDatabase) return true;
  const code = resultCode(thrown);
  return code !== undefined && (DAMAGE.primary.includes(primary(code)) || DAMAGE.extended.includes(code));
}

/**
 * Whether an error while opening says that the file is unusable: damage as of {@linkcode isDamage}, or a generic error,
 * such as for tables and columns that are missing.
 */
export function isUnusable(thrown: unknown): boolean {
  const code = resultCode(thrown);
  return isDamage(thrown) || (code !== undefined && !ENVIRONMENT.includes(primary(code)));
}

/** Whether an error says that another process holds the file, with which nothing is wrong. */
export function isBusy(thrown: unknown): boolean {
  if (thrown instanceof ExaiError) return thrown.code === "OVER_CAPACITY";
  const code = resultCode(thrown);
  return code !== undefined && isLockCode(primary(code));
}

/** An error of SQLite or of the file system as one that names the file and what to do. */
export function databaseError(thrown: unknown, path: string): ExaiError {
  if (isDamage(thrown)) {
    return thrown instanceof DamagedDatabase ? thrown : new DamagedDatabase(path, messageOf(thrown), thrown);
  }
  // An error of SQLite or of the file system has a code; one of this program's own has none.
  if (!(thrown instanceof Error && "code" in thrown) || thrown instanceof ExaiError) {
    return ExaiError.from(thrown);
  }
  const cause = { cause: thrown };
  const code = primary(resultCode(thrown) ?? SQLITE.CANTOPEN);
  if (isLockCode(code)) {
    const text = `${path} is held by another process; try again in a moment`;
    return new ExaiError("OVER_CAPACITY", text, { ...cause, retryAfterMs: RETRY_AFTER_MS });
  }
  if (code === SQLITE.FULL) {
    return new ExaiError("INTERNAL", `no space is left for ${path}; free some and try again`, cause);
  }
  const advice = "make sure that its directory exists and that you may write there, or set EXAI_HOME";
  const text = `the database ${path} cannot be used (${messageOf(thrown)}): ${advice}`;
  return new ExaiError("CONFIG", text, cause);
}

function isLockCode(code: number): boolean {
  return code === SQLITE.BUSY || code === SQLITE.LOCKED;
}

function primary(code: number): number {
  return code & 0xff;
}
