import { EventEmitter } from "node:events";
import { MIB } from "../base/units.ts";

/** Where bytes go: `Deno.stdout`, or anything that writes like it. */
export interface ByteSink {
  /** Resolves with the number of bytes written, which may be fewer than `data` holds. */
  write(data: Uint8Array): Promise<number>;
}

const BATCH_CHARS = MIB;

/** What is written at once, and how much of the queue it was. */
interface Batch {
  data: Uint8Array;
  queued: number;
}

interface LineWriterOptions {
  /** Called once when a write fails, as when the reader of a pipe is gone. Nothing is written after that. */
  onError?(error: Error): void;
}

/**
 * Writes text and UTF-8 in order, without blocking; what arrives during a write goes out together in the next one. Emits
 * `drain` when the queue is empty, which is what the SDK's stdio transport expects of a stdout.
 */
export class LineWriter extends EventEmitter {
  readonly #sink: ByteSink;
  readonly #onError: LineWriterOptions["onError"];
  readonly #encoder = new TextEncoder();
  #queue: (string | Uint8Array)[] = [];
  #queuedChars = 0;
  #isBusy = false;
  #isBroken = false;

  constructor(sink: ByteSink, options: LineWriterOptions = {}) {
    super();
    this.#sink = sink;
    this.#onError = options.onError;
  }

  /** What is not yet handed to the sink: text in UTF-16 code units, the rest in bytes. */
  get queuedChars(): number {
    return this.#queuedChars;
  }

  /** Queues `text`, or UTF-8. @returns whether the caller may continue without waiting for `drain` */
  write(text: string | Uint8Array): boolean {
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

  #nextBatch(): Batch {
    const [first] = this.#queue;
    if (first instanceof Uint8Array) {
      this.#queue.shift();
      return { data: first, queued: first.length };
    }
    let count = 0;
    let queued = 0;
    for (const item of this.#queue) {
      if (typeof item !== "string" || queued >= BATCH_CHARS) break;
      queued += item.length;
      count++;
    }
    const batch = this.#queue.splice(0, count);
    return { data: this.#encoder.encode(batch.length === 1 ? batch[0] as string : batch.join("")), queued };
  }

  async #writeAll({ data, queued }: Batch): Promise<void> {
    let rest = data;
    while (rest.length > 0) rest = rest.subarray(await this.#sink.write(rest));
    this.#queuedChars -= queued;
  }
}
