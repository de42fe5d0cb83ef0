import { EventEmitter } from "node:events";
import { MIB } from "../base/units.ts";

/** Where bytes go: `Deno.stdout`, or anything that writes like it. */
export interface ByteSink {
  /** Bytes of `data` taken, which may be fewer than it holds. */
  write(data: Uint8Array): Promise<number>;
}

const BATCH_CHARS = MIB;

/**
 * Writes text in order, without blocking; what arrives while a write is under way goes out together in the next.
 * Emits `drain` when nothing is left, as the SDK's transport expects of a stdout.
 */
export class LineWriter extends EventEmitter {
  /** Called once when the sink takes no more, as when its reader has gone. Nothing is written after that. */
  onbroken?: (error: Error) => void;
  readonly #sink: ByteSink;
  readonly #encoder = new TextEncoder();
  #queue: string[] = [];
  #queuedChars = 0;
  #busy = false;
  #broken = false;

  constructor(sink: ByteSink) {
    super();
    this.#sink = sink;
  }

  /** Text not yet handed to the sink, in UTF-16 code units. */
  get queuedChars(): number {
    return this.#queuedChars;
  }

  /** Queues `text`; true when it need not be waited for. */
  write(text: string): boolean {
    if (this.#broken) return true;
    this.#queue.push(text);
    this.#queuedChars += text.length;
    if (!this.#busy) {
      this.#busy = true;
      // What else comes in this turn goes out in the same write.
      queueMicrotask(() => this.#run());
    }
    return this.#queuedChars < BATCH_CHARS;
  }

  /** Resolves when everything queued so far and since is written, or cannot be. */
  async flushed(): Promise<void> {
    if (this.#busy) await new Promise((resolve) => this.once("drain", resolve));
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0) await this.#writeAll(this.#nextBatch());
    } catch (thrown) {
      this.#broken = true;
      this.#queue = [];
      this.#queuedChars = 0;
      this.onbroken?.(thrown as Error);
    } finally {
      this.#busy = false;
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
