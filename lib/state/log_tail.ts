import { delay } from "@std/async/delay";
import { LineSplitter } from "../base/line_splitter.ts";
import { KIB, SECOND_MS } from "../base/units.ts";

const CHUNK_BYTES = 64 * KIB;
/** Rotated files that may follow the current one, `NAME.1` the newest. */
const MAX_OLD_FILES = 9;
const POLL_MS = SECOND_MS / 5;
const NEWLINE = 0x0a;

/** A place in a log file that is appended to and rotated. */
interface LogPosition {
  /** Tells one file from the next of the same name; undefined where the system does not. */
  inode: number | null;
  bytes: number;
}

/** The last lines of a log, and where it ended. */
interface LogTail {
  lines: string[];
  end: LogPosition;
}

/** The last `count` lines of the log at `path` and its rotated files, oldest first; none where there is no file. */
export async function readTail(path: string, count: number): Promise<LogTail> {
  const { lines, end } = await tailOf(path, count);
  for (let i = 1; lines.length < count && i <= MAX_OLD_FILES; i++) {
    const older = await tailOf(`${path}.${i}`, count - lines.length);
    if (older.end.bytes === 0) break;
    lines.unshift(...older.lines);
  }
  return { lines, end };
}

async function tailOf(path: string, count: number): Promise<LogTail> {
  using file = await open(path);
  if (!file) return { lines: [], end: { inode: null, bytes: 0 } };
  const { size, ino } = await file.stat();
  const chunks: Uint8Array[] = [];
  let [start, newlines] = [size, 0];
  // One more than the lines: the newline before the first of them.
  while (start > 0 && newlines <= count) {
    const length = Math.min(CHUNK_BYTES, start);
    start -= length;
    const chunk = await readAt(file, { inode: ino, bytes: start }, length);
    newlines += chunk.reduce((found, byte) => byte === NEWLINE ? found + 1 : found, 0);
    chunks.unshift(chunk);
  }
  const text = new TextDecoder().decode(await new Blob(chunks as BlobPart[]).arrayBuffer());
  const lines = text.split("\n");
  // What follows the last newline is being written still, or is nothing.
  const rest = lines.pop()!;
  const end = { inode: ino, bytes: size - new TextEncoder().encode(rest).length };
  return { lines: count === 0 ? [] : lines.slice(-count), end };
}

/** The lines that are written to the log at `path` from `end` on, across rotations, until `signal` aborts. */
export async function* followLog(
  path: string,
  end: LogPosition,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  let at = end;
  let reader = new LineReader();
  while (!signal?.aborted) {
    const info = await Deno.stat(path).catch(() => undefined);
    if (info && isAnother(info, at)) {
      yield* await restOf(`${path}.1`, at, reader);
      at = { inode: info.ino, bytes: 0 };
      reader = new LineReader();
    }
    using file = info && info.size > at.bytes ? await open(path) : undefined;
    if (!file) {
      await delay(POLL_MS, { signal }).catch(() => {});
      continue;
    }
    const chunk = await readAt(file, at, CHUNK_BYTES);
    at = { inode: at.inode ?? info!.ino, bytes: at.bytes + chunk.length };
    yield* reader.read(chunk);
  }
}

/** Whether the file at the path is not the one that was read up to `at`: that one was rotated, or emptied. */
function isAnother({ ino, size }: Deno.FileInfo, at: LogPosition): boolean {
  return size < at.bytes || (ino !== null && at.inode !== null && ino !== at.inode);
}

/** What was written to a file between the last look at it and its rotation. */
async function restOf(path: string, at: LogPosition, reader: LineReader): Promise<string[]> {
  using file = await open(path);
  if (!file) return [];
  const { ino, size } = await file.stat();
  if (ino !== at.inode || size <= at.bytes) return [];
  return reader.read(await readAt(file, at, size - at.bytes));
}

async function open(path: string): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return undefined;
    throw thrown;
  }
}

async function readAt(file: Deno.FsFile, { bytes }: LogPosition, length: number): Promise<Uint8Array> {
  await file.seek(bytes, Deno.SeekMode.Start);
  const buffer = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const read = await file.read(buffer.subarray(filled));
    if (read === null) break;
    filled += read;
  }
  return buffer.subarray(0, filled);
}

/** Makes lines of chunks of bytes, which may end within a line or a character. */
class LineReader {
  readonly #decoder = new TextDecoder();
  readonly #lines = new LineSplitter();

  read(chunk: Uint8Array): string[] {
    return this.#lines.take(this.#decoder.decode(chunk, { stream: true }));
  }
}
