import type { Writable } from "node:stream";
import { ExaiError } from "../base/errors.ts";
import { writeRecords } from "../base/turn_end.ts";
import { formatBytes } from "../base/units.ts";
import { SENT } from "../transport/upstream_transport.ts";

/**
 * Writes lines to a process's stdin, in order and with at most `maxBytes` pending. The lines of one turn of the event
 * loop are one write, after what the turn has recorded: that a call begins is known before its server has it.
 */
export class StdinWriter {
  readonly #stream: Writable;
  readonly #options: { server: string; maxBytes: number };
  readonly #encoder = new TextEncoder();
  /** Lines of this turn. */
  #lines: string[] = [];
  #chars = 0;
  #drained: PromiseWithResolvers<void> | undefined;
  /** Bytes written so far. */
  bytes = 0;

  constructor(stream: Writable, options: { server: string; maxBytes: number }) {
    this.#stream = stream;
    this.#options = options;
  }

  /** Bytes the process has not read. */
  get bufferedBytes(): number {
    return this.#stream.writableLength + this.#chars;
  }

  /**
   * Queues `line`. Returns {@linkcode SENT} while the process keeps up, and otherwise resolves when it has caught up.
   *
   * @throws {ExaiError} `OVER_CAPACITY` when too much is unread; a single line is always accepted
   */
  write(line: string): Promise<void> {
    const waiting = this.bufferedBytes;
    if (!this.#hasRoom(waiting, line.length)) return Promise.reject(this.#overCapacity(waiting));
    if (this.#lines.length === 0) queueMicrotask(this.#flush);
    this.#lines.push(line);
    this.#chars += line.length;
    this.bytes += line.length;
    if (waiting + line.length < this.#stream.writableHighWaterMark) return SENT;
    return this.#untilDrained();
  }

  /**
   * As {@linkcode write}, for a large line in parts. They are not put together, and the memory they are encoded in is
   * free as soon as they are written.
   */
  writeLarge(parts: readonly string[]): Promise<void> {
    const waiting = this.bufferedBytes;
    const chars = parts.reduce((sum, part) => sum + part.length, 0);
    if (!this.#hasRoom(waiting, chars)) return Promise.reject(this.#overCapacity(waiting));
    this.#flush();
    writeRecords();
    this.bytes += chars;
    const drained = this.#untilDrained();
    for (const part of parts) {
      const bytes = this.#encoder.encode(part);
      this.#stream.write(bytes, () => void bytes.buffer.transfer(0));
    }
    this.#settleWhenDrained(!this.#stream.writableNeedDrain);
    return drained;
  }

  #hasRoom(waiting: number, more: number): boolean {
    return waiting === 0 || waiting + more <= this.#options.maxBytes;
  }

  #untilDrained(): Promise<void> {
    this.#drained ??= Promise.withResolvers<void>();
    return this.#drained.promise;
  }

  #overCapacity(waiting: number): ExaiError {
    const { server } = this.#options;
    return new ExaiError(
      "OVER_CAPACITY",
      `server "${server}" does not read what it is sent: ${
        formatBytes(waiting)
      } wait; try again when it is less busy`,
      { retryAfterMs: 1000, details: { server } },
    );
  }

  /** Closes stdin after what is queued. */
  end(): void {
    this.#flush();
    this.#stream.end();
  }

  readonly #flush = () => {
    if (this.#lines.length === 0) return;
    const text = this.#lines.length === 1 ? this.#lines[0]! : this.#lines.join("");
    this.#lines = [];
    this.#chars = 0;
    writeRecords();
    this.#settleWhenDrained(this.#stream.write(text));
  };

  #settleWhenDrained(keepsUp: boolean): void {
    if (keepsUp || this.#stream.destroyed) this.#caughtUp();
    else if (this.#stream.listenerCount("drain", this.#caughtUp) === 0) {
      this.#stream.once("drain", this.#caughtUp);
      this.#stream.once("close", this.#caughtUp);
    }
  }

  readonly #caughtUp = () => {
    this.#stream.off("drain", this.#caughtUp);
    this.#stream.off("close", this.#caughtUp);
    this.#drained?.resolve();
    this.#drained = undefined;
  };
}
