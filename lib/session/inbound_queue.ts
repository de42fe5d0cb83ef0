import { isYieldDue, yieldToEventLoop } from "../base/event_loop.ts";

interface InboundQueueOptions<T> {
  /** Handles one queued message. Never throws. */
  handle(message: T): void;
  /** Called with the change of the queued characters, negative when fewer. */
  onSizeChange?(chars: number): void;
  /** Characters that may be queued; beyond that the oldest messages are handled at once. */
  maxChars: number;
}

/** A message that its client passed on without reading it. */
export class UnreadText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  get length(): number {
    return this.text.length;
  }
}

/**
 * Queues the messages of a source without flow control, as Deno's WebSocket is, when there are many: they are handled in
 * order and in portions, between which it yields to the event loop.
 */
export class InboundQueue<T extends { readonly length: number } = string> {
  readonly #options: InboundQueueOptions<T>;
  #queue: T[] = [];
  /** Index of the first queued message. */
  #head = 0;
  #chars = 0;
  #isDraining = false;
  #isClosed = false;

  constructor(options: InboundQueueOptions<T>) {
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
  push(message: T): void {
    if (this.#isClosed) return;
    this.#queue.push(message);
    this.#resize(message.length);
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
    const message = this.#queue[this.#head++]!;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head >= 1024) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    this.#resize(-message.length);
    this.#options.handle(message);
    return message.length;
  }

  #resize(chars: number): void {
    this.#chars += chars;
    if (chars !== 0) this.#options.onSizeChange?.(chars);
  }
}
