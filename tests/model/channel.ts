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

  /** @param ontext takes what the daemon sends */
  constructor(ontext: (text: string) => void) {
    this.#ontext = ontext;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The window sends `text`. */
  deliver(text: string): void {
    this.bytesIn += text.length;
    if (this.#isOpen) this.onframe?.(text);
  }

  /** The daemon sends `text`. */
  send(text: string): void {
    this.bytesOut += text.length;
    if (this.#isOpen) this.#ontext(text);
  }

  /** The daemon closes. */
  close(code: number): void {
    this.#end({ code, clean: true });
  }

  /** The window says goodbye. */
  leave(): void {
    this.#end({ code: 1000, clean: true });
  }

  /** The connection is cut: nothing sent from here on arrives. */
  cut(): void {
    this.#end({ code: 1006, clean: false });
  }

  #end(end: ChannelEnd): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.onclose?.(end);
  }
}
