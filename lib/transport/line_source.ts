import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { KIB } from "../base/units.ts";
import { LineFramer, type OverlongLine } from "./line_framer.ts";

/** Where bytes come from: `Deno.stdin`, or anything that reads like it. */
export interface ByteSource {
  /** Bytes read into `buffer`, or null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
}

const CHUNK_BYTES = 64 * KIB;

/**
 * Reads bytes and emits `data` once for each whole line, newline included, within one call: the shape of a stdin the
 * SDK's transport takes. That transport copies all it holds with each chunk it is handed, so it is handed lines.
 *
 * A line beyond `maxLineBytes` is not kept; `onoverlong` gets its ends.
 */
export class LineSource extends EventEmitter {
  onoverlong?: (line: OverlongLine) => void;
  readonly #source: ByteSource;
  readonly #framer: LineFramer;

  constructor(source: ByteSource, options: { maxLineBytes: number }) {
    super();
    this.#source = source;
    this.#framer = new LineFramer({
      ...options,
      online: (line) => this.emit("data", Buffer.from(line.buffer, line.byteOffset, line.byteLength)),
      onoverlong: (line) => this.onoverlong?.(line),
    });
  }

  /** Reads to the end. A last line without a newline is taken as a line. */
  async run(): Promise<void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (let count; (count = await this.#source.read(buffer)) !== null;) {
      this.#framer.take(buffer.subarray(0, count));
    }
    this.#framer.end();
  }

  /** What the SDK calls when it closes; reading goes on, for the end must still be seen. */
  pause(): void {}
}
