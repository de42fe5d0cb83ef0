import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { KIB } from "../base/units.ts";

/** Where bytes come from: `Deno.stdin`, or anything that reads like it. */
export interface ByteSource {
  /** Bytes read into `buffer`, or null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
}

/** A line too long to be kept: its size and its two ends. */
export interface OverlongLine {
  bytes: number;
  head: string;
  tail: string;
}

const CHUNK_BYTES = 64 * KIB;
const KEPT_END_BYTES = 4 * KIB;
const NEWLINE = 10;

/**
 * Reads bytes and emits `data` once for each whole line, newline included, within one call: the shape of a stdin the
 * SDK's transport takes. That transport copies all it holds with each chunk it is handed, so it is handed lines.
 *
 * A line beyond `maxLineBytes` is not kept; `onoverlong` gets its ends.
 */
export class LineSource extends EventEmitter {
  onoverlong?: (line: OverlongLine) => void;
  readonly #source: ByteSource;
  readonly #maxLineBytes: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #tail = "";

  constructor(source: ByteSource, options: { maxLineBytes: number }) {
    super();
    this.#source = source;
    this.#maxLineBytes = options.maxLineBytes;
  }

  /** Reads to the end. A last line without a newline is taken as a line. */
  async run(): Promise<void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (let count; (count = await this.#source.read(buffer)) !== null;) {
      this.#take(buffer.subarray(0, count));
    }
    if (this.#bytes > 0) this.#take(Uint8Array.of(NEWLINE));
  }

  /** What the SDK calls when it closes; reading goes on, for the end must still be seen. */
  pause(): void {}

  #take(chunk: Uint8Array): void {
    let start = 0;
    for (let end; (end = chunk.indexOf(NEWLINE, start)) >= 0; start = end + 1) {
      const rest = chunk.subarray(start, end + 1);
      if (this.#bytes === 0) this.#emit(rest);
      else this.#finish(rest);
    }
    if (start < chunk.length) this.#keep(chunk.slice(start));
  }

  #keep(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes <= this.#maxLineBytes || this.#parts.length === 0) this.#parts.push(part);
    else this.#parts.length = 1;
    if (this.#bytes > this.#maxLineBytes) {
      this.#tail = (this.#tail + text(part.subarray(-KEPT_END_BYTES))).slice(-KEPT_END_BYTES);
    }
  }

  #finish(rest: Uint8Array): void {
    this.#keep(rest);
    const [parts, bytes, tail] = [this.#parts, this.#bytes, this.#tail];
    this.#parts = [];
    this.#bytes = 0;
    this.#tail = "";
    if (bytes <= this.#maxLineBytes) return this.#emit(Buffer.concat(parts, bytes));
    const head = parts[0] ? text(parts[0].subarray(0, KEPT_END_BYTES)) : "";
    this.onoverlong?.({ bytes, head, tail });
  }

  #emit(line: Uint8Array): void {
    this.emit("data", Buffer.from(line.buffer, line.byteOffset, line.byteLength));
  }
}

// Only looked at for an id, which is ASCII where it matters.
function text(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}
