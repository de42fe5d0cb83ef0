import type { Writable } from "node:stream";
import { ExaiError } from "../base/errors.ts";
import { formatBytes } from "../base/units.ts";

/** Writes lines to a process's stdin, in order and with at most `maxBytes` pending. */
export class StdinWriter {
  readonly #stream: Writable;
  readonly #options: { server: string; maxBytes: number };
  #drained: Promise<void> | undefined;
  /** Bytes written so far. */
  bytes = 0;

  constructor(stream: Writable, options: { server: string; maxBytes: number }) {
    this.#stream = stream;
    this.#options = options;
  }

  /** Bytes the process has not read. */
  get bufferedBytes(): number {
    return this.#stream.writableLength;
  }

  /**
   * Queues `line`. Resolves at once while the process keeps up, and otherwise when it has caught up.
   *
   * @throws {ExaiError} `OVER_CAPACITY` when too much is unread; a single line is always accepted
   */
  async write(line: string): Promise<void> {
    const { server, maxBytes } = this.#options;
    const waiting = this.bufferedBytes;
    if (waiting > 0 && waiting + line.length > maxBytes) {
      throw new ExaiError(
        "OVER_CAPACITY",
        `server "${server}" does not read what it is sent: ${
          formatBytes(waiting)
        } wait; try again when it is less busy`,
        { retryAfterMs: 1000, details: { server } },
      );
    }
    const isAhead = !this.#stream.write(line);
    this.bytes += line.length;
    if (isAhead) await (this.#drained ??= this.#drain());
  }

  /** Closes stdin after what is queued. */
  end(): void {
    this.#stream.end();
  }

  async #drain(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stream.once("drain", resolve);
    this.#stream.once("close", resolve);
    await promise;
    this.#stream.off("drain", resolve);
    this.#stream.off("close", resolve);
    this.#drained = undefined;
  }
}
