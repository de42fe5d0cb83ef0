import { join } from "@std/path";
import { KIB } from "../../base/units.ts";

const NAME = /^journal-[\w-]+\.tail$/;

/** One line of a tail: a call of the session in row `session` has begun, or was answered. */
type TailLine =
  | { kind: "begun"; session: number; call: number; request: string }
  | { kind: "answered"; session: number; call: number; text: string };

const encoder = new TextEncoder();

/**
 * The latest entries of a journal, in a file that lines are only appended to. On a file system in memory a write takes
 * three microseconds, where a transaction on a disk takes a hundred. What was written survives when the process is
 * killed. Entries are gathered until {@linkcode JournalTail.write}, as many as there are.
 */
export class JournalTail implements Disposable {
  /** File name, unique to this tail. */
  readonly name = `journal-${crypto.randomUUID()}.tail`;
  readonly path: string;
  readonly #file: Deno.FsFile;
  readonly #buffer = new Uint8Array(32 * KIB);
  #pending = "";
  #chars = 0;

  /** Creates a tail in `dir`, private to the user, and locked as long as this process lives. */
  constructor(dir: string) {
    this.path = join(dir, this.name);
    this.#file = Deno.openSync(this.path, { createNew: true, append: true, mode: 0o600 });
    this.#file.lockSync(true);
  }

  /** Characters of its entries, those that are not written yet included. */
  get chars(): number {
    return this.#chars;
  }

  /** Notes that call `call` of the session in row `session` has begun. `request` is its id as JSON. */
  addBegun(session: number, call: number, request: string): void {
    this.#add(`b ${session} ${call} ${request}\n`);
  }

  /** Notes the answer of a call. `text` is JSON, so without a line break. */
  addAnswer(session: number, call: number, text: string): void {
    this.#add(`a ${session} ${call} ${text}\n`);
  }

  /**
   * Appends what was added to the file.
   *
   * @throws what the file system says; earlier entries stay
   */
  write(): void {
    const text = this.#pending;
    if (text === "") return;
    this.#pending = "";
    const { read, written } = encoder.encodeInto(text, this.#buffer);
    let rest = read === text.length ? this.#buffer.subarray(0, written) : encoder.encode(text);
    while (rest.length > 0) rest = rest.subarray(this.#file.writeSync(rest));
  }

  /** Removes the entries, after they were written to the database. */
  clear(): void {
    this.#pending = "";
    this.#chars = 0;
    this.#file.truncateSync(0);
  }

  /** Removes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
    Deno.removeSync(this.path);
  }

  #add(line: string): void {
    this.#pending += line;
    this.#chars += line.length;
  }
}

interface TailFile {
  name: string;
  path: string;
}

/** The tails in `dir`. */
export function listTails(dir: string): TailFile[] {
  return Array.from(Deno.readDirSync(dir), ({ name, isFile }) => ({ name, path: join(dir, name), isFile }))
    .filter(({ name, isFile }) => isFile && NAME.test(name));
}

/** The tails in `dir` whose processes have ended; a process that is only stopped (SIGSTOP) still holds its lock. */
export function listOrphanedTails(dir: string): TailFile[] {
  return listTails(dir).filter(({ path }) => isOrphaned(path));
}

/** The entries of the tail at `path`, without an incomplete last line. */
export function* readTail(path: string): Generator<TailLine> {
  const lines = Deno.readTextFileSync(path).split("\n");
  lines.pop();
  for (const line of lines) {
    // An answer is as its server wrote it, U+2028 included, where `.` would end.
    const [, kind, session, number, rest = ""] = /^([ab]) (\d+) (\d+) (.*)$/s.exec(line) ?? [];
    const call = { session: Number(session), call: Number(number) };
    if (kind === "b") yield { kind: "begun", ...call, request: rest };
    else if (kind === "a") yield { kind: "answered", ...call, text: rest };
  }
}

/** Whether the process that wrote the tail at `path` has ended, which released its lock. */
function isOrphaned(path: string): boolean {
  try {
    using file = Deno.openSync(path, { read: true, write: true });
    return file.tryLockSync(true);
  } catch {
    return false;
  }
}
