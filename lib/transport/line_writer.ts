import { EventEmitter } from "node:events";
import { MIB } from "../base/units.ts";

/** Where bytes go: `Deno.stdout`, or anything that writes like it. */
export interface ByteSink {
  /** Resolves with the number of bytes written, which may be fewer than `data` holds. */
  write(data: Uint8Array): Promise<number>;
}

const BATCH_CHARS = MIB;

interface LineWriterOptions {
  /** Called once when a write fails, as when the reader of a pipe is gone. Nothing is written after that. */
  onError?(error: Error): void;
}

/**
 * Writes text in order, without blocking; what arrives during a write goes out together in the next one. Emits `drain`
 * when the queue is empty, which is what the SDK's stdio transport expects of a stdout.
 */
export class LineWriter extends EventEmitter {
  readonly #sink: ByteSink;
  readonly #onError: LineWriterOptions["onError"];
  readonly #encoder = new TextEncoder();
  #queue: string[] = [];
  #queuedChars = 0;
  #isBusy = false;
  #isBroken = false;

  constructor(sink: ByteSink, options: LineWriterOptions = {}) {
    super();
    this.#sink = sink;
    this.#onError = options.onError;
  }

  /** Text not yet handed to the sink, in UTF-16 code units. */
  get queuedChars(): number {
    return this.#queuedChars;
  }

  /** Queues `text`. @returns whether the caller may continue without waiting for `drain` */
  write(text: string): boolean {
    if (this.#isBroken) return true;
    this.#queue.push(text);
    this.#queuedChars += text.length;
    if (!this.#isBusy) {
      this.#isBusy = true;
      // Text of the same turn of the event loop goes out in the same write.
      queueMicrotask(() => this.#run());
    }
    return this.#queuedChars < BATCH_CHARS;
  }

  /** Resolves when the queue is empty: everything is written, or the sink has failed. */
  async flushed(): Promise<void> {
    if (this.#isBusy) await new Promise((resolve) => this.once("drain", resolve));
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0) await this.#writeAll(this.#nextBatch());
    } catch (thrown) {
      this.#isBroken = true;
      this.#queue = [];
      this.#queuedChars = 0;
      this.#onError?.(thrown as Error);
    } finally {
      this.#isBusy = false;
      this.emit("drain");
    }
  }

  #nextBatch(): string {
    let count = 0;
    let chars = 0;
    while (count < this.#queue.length && chars < BATCH_CHARS) chars += this.#queue[count++]!.length;
    const batch = this.#queue.splice(0, count);
    return batch.length === 1 ? batch[0]! : batch.join("");
  }

  async #writeAll(text: string): Promise<void> {
    let rest = this.#encoder.encode(text);
    while (rest.length > 0) rest = rest.subarray(await this.#sink.write(rest));
    this.#queuedChars -= text.length;
  }
}
