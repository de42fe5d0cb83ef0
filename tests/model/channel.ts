import { setImmediate } from "node:timers";
import type { ChannelEnd, FrameChannel } from "../../lib/transport/channel.ts";

/** Resolves when all that is under way has gone on for as far as it can without anything new coming in. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/**
 * A connection without a network: a window's end and the daemon's in one. Like a frame from a network, what a window
 * sends should begin a turn of its own.
 */
export class MemoryChannel implements FrameChannel {
  onframe?: (text: string) => void;
  onbadframe?: (reason: string) => void;
  onclose?: (end: ChannelEnd) => void;
  readonly queuedBytes = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly #ontext: (text: string) => void;
  #isOpen = true;
  #isStalled = false;
  /** What is on its way while nothing passes. */
  #up: string[] = [];
  #down: string[] = [];

  /** @param ontext takes what the daemon sends */
  constructor(ontext: (text: string) => void) {
    this.#ontext = ontext;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The window sends `text`. */
  deliver(text: string): void {
    if (!this.#isOpen) return;
    if (this.#isStalled) this.#up.push(text);
    else this.#arrive(text);
  }

  /** The daemon sends `text`. */
  send(text: string): void {
    this.bytesOut += text.length;
    if (!this.#isOpen) return;
    if (this.#isStalled) this.#down.push(text);
    else this.#ontext(text);
  }

  /** The daemon closes. */
  close(code: number): void {
    this.#end({ code, wasClean: true });
  }

  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Nothing passes either way from here on, until it flows again. */
  stall(): void {
    this.#isStalled = this.#isOpen;
  }

  /** All that was on its way arrives. */
  flow(): void {
    this.#isStalled = false;
    // What the daemon answers comes after what it has sent before.
    for (const text of this.#down.splice(0)) this.#ontext(text);
    for (const text of this.#up.splice(0)) this.#arrive(text);
  }

  #arrive(text: string): void {
    this.bytesIn += text.length;
    this.onframe?.(text);
  }

  /** The window says goodbye. */
  leave(): void {
    this.flow();
    this.#end({ code: 1000, wasClean: true });
  }

  /**
   * The connection is cut. Of what is on its way the first `up` messages to the daemon and the first `down` to the
   * window arrive, no others and nothing sent from here on.
   */
  cut({ up, down }: { up: number; down: number }): void {
    for (const text of this.#down.splice(0, down)) this.#ontext(text);
    for (const text of this.#up.splice(0, up)) this.#arrive(text);
    this.#end({ code: 1006, wasClean: false });
  }

  #end(end: ChannelEnd): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.onclose?.(end);
  }
}
