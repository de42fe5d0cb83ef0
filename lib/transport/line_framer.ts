import { Buffer } from "node:buffer";
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
   * Takes one whole line, its newline included. The bytes are good only until it returns; what it returns, if anything,
   * is waited for before the next.
   */
  online(line: Uint8Array): Promise<void> | void;
  /** Told of a line beyond `maxLineBytes`. */
  onoverlong?(line: OverlongLine): void;
}

const KEPT_END_BYTES = 4 * KIB;
const NEWLINE = 10;
// On a Buffer this is twice as fast as its own indexOf.
const indexOfByte = Uint8Array.prototype.indexOf;

/**
 * Cuts bytes into lines, whatever pieces they come in. Each byte is copied twice at most, however long its line;
 * of a line that is too long only the ends are kept.
 */
export class LineFramer {
  readonly #options: LineFramerOptions;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #tail = "";
  /** Bytes that are one line, whatever is in them; undefined: up to the next newline, as ever. */
  #counted: number | undefined;

  constructor(options: LineFramerOptions) {
    this.#options = options;
  }

  /** Bytes of the line that is not whole yet. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  /**
   * Takes the next piece, which is not kept. What it returns, if anything, is to be waited for before the next: there
   * were so many lines that others have their turn before the rest of them.
   */
  take(chunk: Uint8Array): Promise<void> | undefined {
    let start = 0;
    for (let end; (end = this.#endOfLine(chunk, start)) > 0; start = end) {
      const rest = chunk.subarray(start, end);
      const isWhole = this.#bytes === 0 && rest.length <= this.#options.maxLineBytes;
      const wait = isWhole ? this.#options.online(rest) : this.#finish(rest);
      if (wait || isYieldDue(rest.length)) {
        return this.#takeLater(chunk.slice(end), wait || yieldToEventLoop());
      }
    }
    if (start < chunk.length) this.#keep(chunk.slice(start));
  }

  /** The next `bytes` bytes are one line, whatever is in them. To be called by who takes the line before. */
  count(bytes: number): void {
    this.#counted = bytes;
  }

  /** The first byte of what is there of a line that was counted. */
  get firstCounted(): number | undefined {
    return this.#counted === undefined ? undefined : this.#parts[0]?.[0];
  }

  /** What was counted is no one line after all: what is there of it is taken as lines. */
  uncount(): Promise<void> | undefined {
    this.#counted = undefined;
    const parts = this.#parts.splice(0);
    this.#bytes = 0;
    this.#tail = "";
    return this.take(Buffer.concat(parts));
  }

  /** The part of a line that has no end yet, if it is no longer than a line may be. */
  get pending(): Uint8Array | undefined {
    return this.#bytes <= this.#options.maxLineBytes ? Buffer.concat(this.#parts) : undefined;
  }

  /** Where the line that begins at `start` ends; 0 if its end is not there. */
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

  /** A last line without a newline is taken as a line. */
  end(): void {
    this.#counted = undefined;
    if (this.#bytes > 0) this.take(Uint8Array.of(NEWLINE));
  }

  #keep(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes <= this.#options.maxLineBytes || this.#parts.length === 0) this.#parts.push(part);
    else this.#parts.length = 1;
    if (this.#bytes > this.#options.maxLineBytes) {
      this.#tail = (this.#tail + text(part.subarray(-KEPT_END_BYTES))).slice(-KEPT_END_BYTES);
    }
  }

  #finish(rest: Uint8Array): Promise<void> | void {
    this.#keep(rest);
    const [parts, bytes, tail] = [this.#parts, this.#bytes, this.#tail];
    this.#parts = [];
    this.#bytes = 0;
    this.#tail = "";
    if (bytes <= this.#options.maxLineBytes) return this.#options.online(Buffer.concat(parts, bytes));
    const head = parts[0] ? text(parts[0].subarray(0, KEPT_END_BYTES)) : "";
    this.#options.onoverlong?.({ bytes, head, tail });
  }
}

// Only looked at for an id, which is ASCII where it matters.
function text(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

const ID = String.raw`"id"\s*:\s*(-?\d{1,15}|"(?:[^"\\]|\\.)*")`;
const ID_FIRST = new RegExp(String.raw`^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?${ID}\s*,`);
const ID_LAST = new RegExp(String.raw`,\s*${ID}\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$`);

/** The id of a message of which only the ends are known, where writers of JSON-RPC put it. */
export function findId({ head, tail }: OverlongLine): RequestId | null {
  const found = ID_FIRST.exec(head) ?? ID_LAST.exec(tail);
  try {
    return found ? JSON.parse(found[1]!) : null;
  } catch {
    // A text in quotes that is none of JSON, as with a control character or an escape it does not have.
    return null;
  }
}
