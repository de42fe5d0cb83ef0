import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { LineFramer, type OverlongLine } from "./line_framer.ts";

/** Takes one chunk, which it must not keep. The next one waits for the promise, if there is one. */
export type ChunkHandler = (chunk: Uint8Array) => Promise<void> | void;

/** Where bytes come from. */
export interface ByteSource {
  /** Hands every chunk to `handle`; resolves at the end of the source. */
  readAll(handle: ChunkHandler): Promise<void>;
}

interface LineSourceOptions {
  /** Longest line kept, its newline included. */
  maxLineBytes: number;
  /** Takes a line, which is valid until it returns; false for one that is to be emitted. */
  take?(line: Buffer): boolean;
  /** Takes the two ends of a longer one. */
  onOverlong?(line: OverlongLine): void;
  /** What to wait for before more is read, if anything. */
  backpressure?(): Promise<void> | undefined;
}

/**
 * Reads bytes and emits `data` once for each whole line that `take` leaves, newline included: the part of a `Readable`
 * that the SDK's stdio transport uses. That transport copies its buffer with each chunk, so it gets one line at a time.
 */
export class LineSource extends EventEmitter {
  readonly #source: ByteSource;
  readonly #framer: LineFramer;
  readonly #backpressure: LineSourceOptions["backpressure"];

  constructor(source: ByteSource, { backpressure, take, ...options }: LineSourceOptions) {
    super();
    this.#source = source;
    this.#backpressure = backpressure;
    this.#framer = new LineFramer({
      ...options,
      onLine: (line) => {
        const buffer = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
        if (!take?.(buffer)) this.emit("data", buffer);
      },
    });
  }

  /** Reads to the end. A last line without a newline counts as a line. */
  async run(): Promise<void> {
    let taking: Promise<void> | undefined;
    await this.#source.readAll((chunk) => {
      taking = this.#framer.take(chunk);
      return taking ? taking.then(() => this.#backpressure?.()) : this.#backpressure?.();
    });
    // A source that fails does not wait for the lines before.
    await taking;
    this.#framer.end();
  }

  /** Called by the SDK's transport when it closes. Reading continues, so that the end of the source is seen. */
  pause(): void {}
}
