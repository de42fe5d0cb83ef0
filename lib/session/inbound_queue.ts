import { isYieldDue, yieldToEventLoop } from "../base/event_loop.ts";

interface InboundQueueOptions {
  /** Takes one message. Never throws. */
  handle(text: string): void;
  /** What waits has changed by so many characters. */
  onSizeChange?(chars: number): void;
  /** Characters that may wait; beyond that the oldest are taken at once, whatever waits elsewhere. */
  maxChars: number;
}

/**
 * Takes the messages of one source that cannot be told to send no more for a moment, as a WebSocket of Deno: in order,
 * each at once as long as there are few, and in portions between which everybody else has a turn when there are many.
 */
export class InboundQueue {
  readonly #options: InboundQueueOptions;
  #queue: string[] = [];
  /** Where the queue begins. */
  #at = 0;
  #chars = 0;
  #isDraining = false;
  #isOver = false;

  constructor(options: InboundQueueOptions) {
    this.#options = options;
  }

  /** Characters that wait. */
  get chars(): number {
    return this.#chars;
  }

  push(text: string): void {
    if (this.#isOver) return;
    if (!this.#isDraining) {
      this.#options.handle(text);
      if (isYieldDue(text.length)) void this.#drain();
      return;
    }
    this.#queue.push(text);
    this.#move(text.length);
    while (this.#chars > this.#options.maxChars) this.#takeNext();
  }

  /** Takes all that waits, and nothing that comes later: its source is over, or another has its place. */
  flush(): void {
    this.#isOver = true;
    while (this.#at < this.#queue.length) this.#takeNext();
  }

  /** Lets go of all that waits, and of what comes later: behind what is missing it would be taken for that. */
  discard(): void {
    this.#isOver = true;
    this.#queue = [];
    this.#at = 0;
    this.#move(-this.#chars);
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    do {
      await yieldToEventLoop();
      for (let isDue = false; !isDue && this.#at < this.#queue.length;) isDue = isYieldDue(this.#takeNext());
    } while (this.#at < this.#queue.length);
    this.#isDraining = false;
  }

  #takeNext(): number {
    const text = this.#queue[this.#at++]!;
    if (this.#at === this.#queue.length) {
      this.#queue = [];
      this.#at = 0;
    } else if (this.#at >= 1024) {
      this.#queue.splice(0, this.#at);
      this.#at = 0;
    }
    this.#move(-text.length);
    this.#options.handle(text);
    return text.length;
  }

  #move(chars: number): void {
    this.#chars += chars;
    if (chars !== 0) this.#options.onSizeChange?.(chars);
  }
}
