import type { Writable } from "node:stream";
import { ExaiError } from "../base/errors.ts";
import { formatBytes } from "../base/units.ts";

/** What is on its way to a process's stdin: in order, and no more than `maxBytes` of it. */
export class StdinWriter {
  readonly #stream: Writable;
  readonly #options: { server: string; maxBytes: number };
  #drained: Promise<void> | undefined;
  /** Bytes handed over in all. */
  bytes = 0;

  constructor(stream: Writable, options: { server: string; maxBytes: number }) {
    this.#stream = stream;
    this.#options = options;
  }

  /** Bytes the process has not read yet. */
  get bufferedBytes(): number {
    return this.#stream.writableLength;
  }

  /**
   * Queues `line`. Resolves at once while the process keeps up, and when it has caught up otherwise.
   *
   * @throws {ExaiError} `OVER_CAPACITY` when it has left too much unread; a single line is always taken
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

  /** Says that nothing more will come. */
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
