import { isYieldDue, yieldToEventLoop } from "../base/event_loop.ts";

interface InboundQueueOptions {
  /** Handles one queued message. Never throws. */
  handle(text: string): void;
  /** Called with the change of the queued characters, negative when fewer. */
  onSizeChange?(chars: number): void;
  /** Characters that may be queued; beyond that the oldest messages are handled at once. */
  maxChars: number;
}

/**
 * Queues the messages of a source without flow control, as Deno's WebSocket is, when there are many: they are handled in
 * order and in portions, between which it yields to the event loop.
 */
export class InboundQueue {
  readonly #options: InboundQueueOptions;
  #queue: string[] = [];
  /** Index of the first queued message. */
  #head = 0;
  #chars = 0;
  #isDraining = false;
  #isClosed = false;

  constructor(options: InboundQueueOptions) {
    this.#options = options;
  }

  /** Characters that are queued. */
  get chars(): number {
    return this.#chars;
  }

  /** Whether the caller is to handle a message itself, followed by {@linkcode handled}; otherwise it is pushed. */
  get isIdle(): boolean {
    return !this.#isClosed && !this.#isDraining;
  }

  /** Counts a message of `chars` characters that was handled without being queued. */
  handled(chars: number): void {
    if (isYieldDue(chars)) void this.#drain();
  }

  /** Queues a message behind those that wait; drops it once the queue is closed. */
  push(text: string): void {
    if (this.#isClosed) return;
    this.#queue.push(text);
    this.#resize(text.length);
    while (this.#chars > this.#options.maxChars) this.#handleNext();
  }

  /** Handles all queued messages and closes the queue. */
  flush(): void {
    this.#isClosed = true;
    while (this.#head < this.#queue.length) this.#handleNext();
  }

  /** Drops all queued messages and closes the queue: messages after a gap must not be handled. */
  discard(): void {
    this.#isClosed = true;
    this.#queue = [];
    this.#head = 0;
    this.#resize(-this.#chars);
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    do {
      await yieldToEventLoop();
      for (let isDue = false; !isDue && this.#head < this.#queue.length;) {
        isDue = isYieldDue(this.#handleNext());
      }
    } while (this.#head < this.#queue.length);
    this.#isDraining = false;
  }

  #handleNext(): number {
    const text = this.#queue[this.#head++]!;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head >= 1024) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    this.#resize(-text.length);
    this.#options.handle(text);
    return text.length;
  }

  #resize(chars: number): void {
    this.#chars += chars;
    if (chars !== 0) this.#options.onSizeChange?.(chars);
  }
}
