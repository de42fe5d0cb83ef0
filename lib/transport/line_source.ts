import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { LineFramer, type OverlongLine } from "./line_framer.ts";

/** Takes a piece; what it returns, if anything, is to be waited for before the next. */
export type Taker = (chunk: Uint8Array) => Promise<void> | void;

/** Where bytes come from. */
export interface ByteSource {
  /** Hands every piece to `take`, which does not keep it, and waits where it says so; resolves at the end. */
  readAll(take: Taker): Promise<void>;
}

/**
 * Reads bytes and emits `data` once for each whole line, newline included, within one call: the shape of a stdin the
 * SDK's transport takes. That transport copies all it holds with each chunk it is handed, so it is handed lines.
 *
 * A line beyond `maxLineBytes` is not kept; `onoverlong` gets its ends.
 */
export class LineSource extends EventEmitter {
  onoverlong?: (line: OverlongLine) => void;
  /** What is to be waited for before more is read, if anything is. */
  backpressure?: () => Promise<void> | undefined;
  readonly #source: ByteSource;
  readonly #framer: LineFramer;

  constructor(source: ByteSource, options: { maxLineBytes: number }) {
    super();
    this.#source = source;
    this.#framer = new LineFramer({
      ...options,
      online: (line) => void this.emit("data", Buffer.from(line.buffer, line.byteOffset, line.byteLength)),
      onoverlong: (line) => this.onoverlong?.(line),
    });
  }

  /** Reads to the end. A last line without a newline is taken as a line. */
  async run(): Promise<void> {
    let taking: Promise<void> | undefined;
    await this.#source.readAll((chunk) => {
      taking = this.#framer.take(chunk);
      return taking ? taking.then(() => this.backpressure?.()) : this.backpressure?.();
    });
    // A source that fails does not wait for the lines before.
    await taking;
    this.#framer.end();
  }

  /** What the SDK calls when it closes; reading goes on, for the end must still be seen. */
  pause(): void {}
}
