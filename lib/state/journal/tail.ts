import { join } from "@std/path";

const NAME = /^journal-[\w-]+\.tail$/;

/** One line of a tail: call `n` of the session in row `session` has begun, or is answered. */
type TailLine =
  | { kind: "begun"; session: number; n: number; request: string }
  | { kind: "answered"; session: number; n: number; text: string };

const encoder = new TextEncoder();

/**
 * The last moments of a journal: a file to which each line is only appended, in memory where the system has a place for
 * that, which takes a call three microseconds where a transaction on a disk takes a hundred. What the process has written is there when it is killed.
 */
export class JournalTail implements Disposable {
  /** File name, which no other tail has. */
  readonly name = `journal-${crypto.randomUUID()}.tail`;
  readonly path: string;
  readonly #file: Deno.FsFile;
  readonly #buffer = new Uint8Array(32 * 1024);
  #bytes = 0;

  /** Makes a tail in `dir`, private to the user, and locked for as long as this process lives. */
  constructor(dir: string) {
    this.path = join(dir, this.name);
    this.#file = Deno.openSync(this.path, { createNew: true, append: true, mode: 0o600 });
    this.#file.lockSync(true);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws what the file system says; what was written before stands */
  begun(session: number, n: number, request: string): void {
    this.#append(`b ${session} ${n} ${request}\n`);
  }

  /** `text` holds no line break: it is JSON. */
  answered(session: number, n: number, text: string): void {
    this.#append(`a ${session} ${n} ${text}\n`);
  }

  /** What it says is in the database, or of no use any more. */
  clear(): void {
    this.#file.truncateSync(0);
    this.#bytes = 0;
  }

  /** Ends it: it is of no use to anybody any more. */
  [Symbol.dispose](): void {
    this.#file.close();
    Deno.removeSync(this.path);
  }

  #append(line: string): void {
    const { read, written } = encoder.encodeInto(line, this.#buffer);
    let rest = read === line.length ? this.#buffer.subarray(0, written) : encoder.encode(line);
    this.#bytes += rest.length;
    while (rest.length > 0) rest = rest.subarray(this.#file.writeSync(rest));
  }
}

/** A tail in a directory. */
interface TailFile {
  name: string;
  path: string;
}

/** The tails in `dir`. */
export function tailsOf(dir: string): TailFile[] {
  return Array.from(Deno.readDirSync(dir), ({ name, isFile }) => ({ name, path: join(dir, name), isFile }))
    .filter(({ name, isFile }) => isFile && NAME.test(name));
}

/** The tails in `dir` whose processes are gone; that of a process that is only stopped is not among them. */
export function tailsLeft(dir: string): TailFile[] {
  return tailsOf(dir).filter(({ path }) => isLeft(path));
}

/** What the tail at `path` says; a line that was not written to its end is left out. */
export function* readTail(path: string): Generator<TailLine> {
  const lines = Deno.readTextFileSync(path).split("\n");
  lines.pop();
  for (const line of lines) {
    const [, kind, session, n, rest] = /^([ab]) (\d+) (\d+) (.*)$/.exec(line) ?? [];
    const call = { session: Number(session), n: Number(n) };
    if (kind === "b") yield { kind: "begun", ...call, request: rest! };
    else if (kind === "a") yield { kind: "answered", ...call, text: rest! };
  }
}

/** Whether nobody writes to the tail at `path` any more: only a process that is gone has given up its lock. */
function isLeft(path: string): boolean {
  try {
    using file = Deno.openSync(path, { read: true, write: true });
    return file.tryLockSync(true);
  } catch {
    return false;
  }
}

/**
 * Makes `dir` for this user alone, or finds it so, and can write there; false when not. Where others may write they
 * could write answers, and below `/dev` a compiled program, which has not every permission, may not open a file.
 */
export function isPrivateDir(dir: string): boolean {
  try {
    Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
    return isOursAlone(dir) && canWrite(dir);
  } catch {
    return false;
  }
}

/** Whether `dir` is a directory, and no link to one, that only this user may look into; false where there is none. */
export function isOursAlone(dir: string): boolean {
  try {
    const { isDirectory, uid, mode } = Deno.lstatSync(dir);
    if (Deno.build.os === "windows") return isDirectory;
    return isDirectory && uid === Deno.uid() && (mode! & 0o077) === 0;
  } catch {
    return false;
  }
}

/** @throws what the file system says, or that Deno does not allow it */
function canWrite(dir: string): boolean {
  const path = join(dir, `try-${crypto.randomUUID()}`);
  Deno.openSync(path, { createNew: true, write: true }).close();
  Deno.removeSync(path);
  return true;
}
