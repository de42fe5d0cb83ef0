import { KIB } from "../base/units.ts";

/** A frame is not made longer than this by joining; a longer message goes alone. */
const MAX_JOINED_CHARS = 64 * KIB;

/** Messages one frame may hold. */
export const MAX_JOINED_LINES = 1000;

/**
 * Sends the messages of one turn of the event loop in one frame, each on a line of its own (docs/protocol.md, `lines`).
 * A frame costs each end a call of the system and a turn of its event loop, which is more than the message itself.
 */
export class LineJoiner {
  readonly #send: (frame: string) => void;
  #lines: string[] = [];
  #chars = 0;

  constructor(send: (frame: string) => void) {
    this.#send = send;
  }

  /** Queues `text`, which holds no line break; it goes out before the event loop turns. */
  send(text: string): void {
    if (this.#chars + text.length > MAX_JOINED_CHARS || this.#lines.length === MAX_JOINED_LINES) this.flush();
    if (text.length > MAX_JOINED_CHARS) return this.#send(text);
    if (this.#lines.length === 0) queueMicrotask(() => this.flush());
    this.#lines.push(text);
    this.#chars += text.length + 1;
  }

  /** Sends what is queued now. */
  flush(): void {
    if (this.#lines.length === 0) return;
    const frame = this.#lines.length === 1 ? this.#lines[0]! : this.#lines.join("\n");
    this.#lines = [];
    this.#chars = 0;
    this.#send(frame);
  }
}

/** Hands each message of a frame to `take`; false when there were more than {@linkcode MAX_JOINED_LINES}. */
export function eachLine(frame: string, take: (line: string) => void): boolean {
  let start = 0;
  for (let count = 0; count < MAX_JOINED_LINES; count++) {
    const end = frame.indexOf("\n", start);
    if (end < 0) {
      take(start === 0 ? frame : frame.slice(start));
      return true;
    }
    take(frame.slice(start, end));
    start = end + 1;
  }
  return false;
}
