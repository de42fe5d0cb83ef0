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
    const { maxBytes } = this.#options;
    const waiting = this.bufferedBytes;
    if (waiting > 0 && waiting + line.length > maxBytes) return Promise.reject(this.#overCapacity(waiting));
    if (this.#lines.length === 0) queueMicrotask(this.#flush);
    this.#lines.push(line);
    this.#chars += line.length;
    this.bytes += line.length;
    if (waiting + line.length < this.#stream.writableHighWaterMark) return SENT;
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
    const keepsUp = this.#stream.write(text);
    if (keepsUp || this.#stream.destroyed) this.#caughtUp();
    else if (this.#stream.listenerCount("drain", this.#caughtUp) === 0) {
      this.#stream.once("drain", this.#caughtUp);
      this.#stream.once("close", this.#caughtUp);
    }
  };

  readonly #caughtUp = () => {
    this.#stream.off("drain", this.#caughtUp);
    this.#stream.off("close", this.#caughtUp);
    this.#drained?.resolve();
    this.#drained = undefined;
  };
}
