import { isYieldDue, yieldToEventLoop } from "../base/event_loop.ts";
import { KIB } from "../base/units.ts";
import type { RequestId } from "../wire/rpc.ts";

/** A line too long to be kept: its size and its two ends. */
export interface OverlongLine {
  bytes: number;
  head: string;
  tail: string;
}

interface LineFramerOptions {
  /** Longest line kept, its newline included. */
  maxLineBytes: number;
  /**
   * Takes one whole line, its newline included. The bytes are valid until it returns. The next line waits for the
   * promise, if there is one.
   */
  onLine(line: Uint8Array): Promise<void> | void;
  /** Takes the ends of a line beyond `maxLineBytes`. */
  onOverlong?(line: OverlongLine): void;
}

const KEPT_END_BYTES = 4 * KIB;
const NEWLINE = 10;
// Twice as fast on a Buffer as its own indexOf.
const indexOfByte = Uint8Array.prototype.indexOf;

/**
 * Splits bytes in chunks of any size into lines. Each byte is copied three times at most, however long its line; of a
 * line that is too long only the ends are kept.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { LineFramer } from "./line_framer.ts";
 *
 * const lines: string[] = [];
 * const framer = new LineFramer({
 *   maxLineBytes: 1024,
 *   onLine: (line) => void lines.push(new TextDecoder().decode(line)),
 * });
 * for (const chunk of ["a\nb", "c\n"]) framer.take(new TextEncoder().encode(chunk));
 * assertEquals(lines, ["a\n", "bc\n"]);
 * ```
 */
export class LineFramer {
  readonly #options: LineFramerOptions;
  /** What has arrived of the incomplete line, in its first bytes. */
  #kept = new Uint8Array(0);
  #bytes = 0;
  #tail = "";
  /** Where the line that is being taken is, if it is a copy. */
  #taken: ArrayBuffer | undefined;
  /** Length of a line that ends by count instead of at a newline. */
  #counted: number | undefined;

  constructor(options: LineFramerOptions) {
    this.#options = options;
  }

  /** Bytes of the incomplete line. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  /**
   * Takes the next chunk, which is not kept. The one after it waits for the promise, if there is one: many lines are
   * taken in portions, with a turn of the event loop in between.
   */
  take(chunk: Uint8Array): Promise<void> | undefined {
    let start = 0;
    for (let end; (end = this.#endOfLine(chunk, start)) > 0; start = end) {
      const rest = chunk.subarray(start, end);
      const isWhole = this.#bytes === 0 && rest.length <= this.#options.maxLineBytes;
      const wait = isWhole ? this.#options.onLine(rest) : this.#finish(rest);
      if (wait || isYieldDue(rest.length)) {
        return this.#takeLater(chunk.slice(end), wait || yieldToEventLoop());
      }
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /** Makes the next `bytes` bytes one line. Called while the line before is taken. */
  count(bytes: number): void {
    this.#counted = bytes;
  }

  /** The first byte of a counted line, once it has arrived. */
  get firstCounted(): number | undefined {
    return this.#counted === undefined || this.#bytes === 0 ? undefined : this.#kept[0];
  }

  /** Stops counting: what has arrived of the counted line is split at newlines. */
  uncount(): Promise<void> | undefined {
    this.#counted = undefined;
    return this.take(this.#takeKept().line);
  }

  /** The incomplete line, if it is not too long. */
  get pending(): Uint8Array | undefined {
    return this.#bytes <= this.#options.maxLineBytes ? this.#kept.subarray(0, this.#bytes) : undefined;
  }

  /** Where the line at `start` ends; 0 if its end has not arrived. */
  #endOfLine(chunk: Uint8Array, start: number): number {
    if (this.#counted === undefined) return indexOfByte.call(chunk, NEWLINE, start) + 1;
    const end = start + this.#counted - this.#bytes;
    if (end > chunk.length) return 0;
    this.#counted = undefined;
    return end;
  }

  async #takeLater(rest: Uint8Array, wait: Promise<void>): Promise<void> {
    await wait;
    await this.take(rest);
  }

  /** Ends the input. A last line without a newline counts as a line. */
  end(): void {
    this.#counted = undefined;
    if (this.#bytes > 0) this.take(Uint8Array.of(NEWLINE));
  }

  /** Frees the memory of the line that is being taken, once its bytes have been read. */
  release(): void {
    this.#taken?.transfer(0);
    this.#taken = undefined;
  }

  #keep(part: Uint8Array): void {
    const { maxLineBytes } = this.#options;
    const from = this.#bytes;
    this.#bytes += part.length;
    if (this.#bytes <= maxLineBytes) {
      this.#grow(this.#bytes);
      return this.#kept.set(part, from);
    }
    if (from <= maxLineBytes) this.#keepHead(from, part);
    this.#tail = (this.#tail + text(part.subarray(-KEPT_END_BYTES))).slice(-KEPT_END_BYTES);
  }

  /** Keeps only the beginning of a line that has become too long with `part`. */
  #keepHead(from: number, part: Uint8Array): void {
    const head = new Uint8Array(KEPT_END_BYTES);
    head.set(this.#kept.subarray(0, Math.min(from, KEPT_END_BYTES)));
    if (from < KEPT_END_BYTES) head.set(part.subarray(0, KEPT_END_BYTES - from), from);
    this.#kept = head.subarray(0, from + part.length);
  }

  #grow(bytes: number): void {
    const before = this.#kept;
    if (bytes <= before.length) return;
    this.#kept = new Uint8Array(Math.max(bytes, Math.min(before.length * 2, this.#options.maxLineBytes)));
    this.#kept.set(before);
    before.buffer.transfer(0);
  }

  #takeKept(): { line: Uint8Array; buffer: ArrayBuffer } {
    const { buffer } = this.#kept;
    const line = this.#kept.subarray(0, this.#bytes);
    this.#kept = new Uint8Array(0);
    this.#bytes = 0;
    this.#tail = "";
    return { line, buffer };
  }

  #finish(rest: Uint8Array): Promise<void> | void {
    this.#keep(rest);
    const [bytes, tail] = [this.#bytes, this.#tail];
    const { line, buffer } = this.#takeKept();
    if (bytes > this.#options.maxLineBytes) {
      return this.#options.onOverlong?.({ bytes, head: text(line.subarray(0, KEPT_END_BYTES)), tail });
    }
    this.#taken = buffer;
    const wait = this.#options.onLine(line);
    this.#taken = undefined;
    return wait;
  }
}

/** `line` without LF or CRLF at its end. */
export function withoutLineEnd(line: Uint8Array): Uint8Array {
  return line.subarray(0, line.at(-1) !== 10 ? undefined : line.at(-2) === 13 ? -2 : -1);
}

// Searched only for an id, which is ASCII.
function text(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

const ID = String.raw`"id"\s*:\s*(-?\d{1,15}|"(?:[^"\\]|\\.)*")`;
const ID_FIRST = new RegExp(String.raw`^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?${ID}\s*,`);
const ID_LAST = new RegExp(String.raw`,\s*${ID}\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$`);

/** The id of a message of which only the ends are known, where JSON-RPC writers put it. */
export function findId({ head, tail }: OverlongLine): RequestId | null {
  const found = ID_FIRST.exec(head) ?? ID_LAST.exec(tail);
  try {
    return found ? JSON.parse(found[1]!) : null;
  } catch {
    // Not a JSON string, as with a control character or an invalid escape.
    return null;
  }
}
