import { ExaiError, messageOf } from "../../base/errors.ts";
import { SECOND_MS } from "../../base/units.ts";

/** How long a caller should wait before it asks a busy database again, in milliseconds. */
const RETRY_AFTER_MS = SECOND_MS / 2;

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html), as far as they are told apart here. */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** Extended codes of `IOERR` that speak of what is in the file: it is shorter than it says, or its content is bad. */
const BAD_CONTENT: readonly number[] = [522, 8458, 8714];

/**
 * What the machine or another process is to blame for, not the file: PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT,
 * IOERR, FULL, CANTOPEN, PROTOCOL, NOLFS, AUTH.
 */
const OF_THE_SURROUNDINGS: readonly number[] = [
  3,
  BUSY,
  LOCKED,
  7,
  READONLY,
  9,
  IOERR,
  FULL,
  CANTOPEN,
  15,
  22,
  23,
];

/**
 * Codes by the words SQLite has for them. Only the errors of prepared statements carry a code (`errcode`) in Deno;
 * those of `new DatabaseSync` and `exec` have the words alone.
 */
const CODES_BY_WORDS: readonly (readonly [RegExp, number])[] = [
  [/^database (table |schema )?is locked/, BUSY],
  [/^attempt to write a readonly database/, READONLY],
  [/^disk I\/O error/, IOERR],
  [/^(database disk image is malformed|malformed database schema)/, CORRUPT],
  [/^database or disk is full/, FULL],
  [/^unable to open database file/, CANTOPEN],
  [/^file is not a database/, NOTADB],
];

/** Any other fault of SQLite whose code is not known; its generic code is the same. */
const UNKNOWN = 1;

/** The file cannot be read as what it should be, and trying again will not help. */
export class DamagedDatabase extends ExaiError {
  /** What is wrong with it, without the name of the file. */
  readonly reason: string;

  constructor(path: string, reason: string, cause?: unknown) {
    const advice = "move it and its -wal and -shm files away and start again; what is in it is lost";
    super("CONFIG", `the database ${path} is damaged (${reason}): ${advice}`, { cause });
    this.reason = reason;
  }
}

/** The result code of SQLite in what was thrown, extended where it is known; undefined for what is not SQLite's. */
function sqliteCode(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || thrown instanceof ExaiError) return undefined;
  const { code, errcode } = thrown as { code?: unknown; errcode?: unknown };
  if (typeof errcode === "number") return errcode;
  if (code !== "ERR_SQLITE_ERROR") return undefined;
  return CODES_BY_WORDS.find(([words]) => words.test(thrown.message))?.[1] ?? UNKNOWN;
}

/** Whether what was thrown while the database was in use says that its file is damaged. */
export function saysDamaged(thrown: unknown): boolean {
  if (thrown instanceof DamagedDatabase) return true;
  const code = sqliteCode(thrown);
  return code !== undefined && (isCorrupt(code) || BAD_CONTENT.includes(code));
}

/**
 * Whether what was thrown while the database was opened says that its file is of no use: beside what `saysDamaged`
 * has, tables and columns that should be there and are not.
 */
export function saysUseless(thrown: unknown): boolean {
  const code = sqliteCode(thrown);
  return saysDamaged(thrown) || (code !== undefined && !OF_THE_SURROUNDINGS.includes(primary(code)));
}

/** Whether what was thrown says that another process has the file: nothing is wrong with it, and it is not ours now. */
export function saysHeld(thrown: unknown): boolean {
  if (thrown instanceof ExaiError) return thrown.code === "OVER_CAPACITY";
  const code = sqliteCode(thrown);
  return code !== undefined && [BUSY, LOCKED].includes(primary(code));
}

/** What SQLite throws, as an error that names the file and what to do. */
export function databaseError(thrown: unknown, path: string): ExaiError {
  if (saysDamaged(thrown)) {
    return thrown instanceof DamagedDatabase ? thrown : new DamagedDatabase(path, messageOf(thrown), thrown);
  }
  // A fault of SQLite or of the file system has a code; one of our own making has none.
  if (!(thrown instanceof Error && "code" in thrown) || thrown instanceof ExaiError) {
    return ExaiError.from(thrown);
  }
  const message = messageOf(thrown);
  const cause = { cause: thrown };
  switch (primary(sqliteCode(thrown) ?? UNKNOWN)) {
    case BUSY:
    case LOCKED: {
      const text = `${path} is held by another process; try again in a moment`;
      return new ExaiError("OVER_CAPACITY", text, { ...cause, retryAfterMs: RETRY_AFTER_MS });
    }
    case FULL:
      return new ExaiError("INTERNAL", `no space is left for ${path}; free some and try again`, cause);
    default: {
      const advice = "make sure that its directory exists and that you may write there, or set EXAI_HOME";
      return new ExaiError("CONFIG", `the database ${path} cannot be used (${message}): ${advice}`, cause);
    }
  }
}

function isCorrupt(code: number): boolean {
  return primary(code) === CORRUPT || primary(code) === NOTADB;
}

function primary(code: number): number {
  return code & 0xff;
}
