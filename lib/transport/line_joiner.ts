import { writeRecords } from "../base/turn_end.ts";
import { KIB } from "../base/units.ts";

/** Longest frame made by joining; a longer message is sent alone, and may be sent as bytes. */
export const MAX_JOINED_CHARS = 64 * KIB;

/** Messages one frame may hold. */
export const MAX_JOINED_LINES = 1000;

/**
 * Sends the messages of one turn of the event loop as one frame, one a line (docs/protocol.md, `lines`). A frame
 * costs each end a system call and a turn of its event loop, which is more than a message.
 */
export class LineJoiner {
  readonly #send: (frame: string) => void;
  readonly #sendBytes: ((frame: Uint8Array<ArrayBuffer>) => void) | undefined;
  #lines: string[] = [];
  #chars = 0;

  /** @param sendBytes sends a long message in UTF-8, if the other end takes it so (docs/protocol.md, `bytes`) */
  constructor(send: (frame: string) => void, sendBytes?: (frame: Uint8Array<ArrayBuffer>) => void) {
    this.#send = send;
    this.#sendBytes = sendBytes;
  }

  /** Queues `text`, which contains no line break; it is sent before the event loop turns. */
  send(text: string): void {
    if (this.#chars + text.length > MAX_JOINED_CHARS || this.#lines.length === MAX_JOINED_LINES) this.flush();
    if (text.length > MAX_JOINED_CHARS) {
      writeRecords();
      return this.#sendBytes ? this.#sendBytes(new TextEncoder().encode(text + "\n")) : this.#send(text);
    }
    if (this.#lines.length === 0) queueMicrotask(() => this.flush());
    this.#lines.push(text);
    this.#chars += text.length + 1;
  }

  /** Sends what is queued. */
  flush(): void {
    if (this.#lines.length === 0) return;
    const frame = this.#lines.length === 1 ? this.#lines[0]! : this.#lines.join("\n");
    this.#lines = [];
    this.#chars = 0;
    writeRecords();
    this.#send(frame);
  }
}

/**
 * Passes each message of a frame to `take`.
 *
 * @returns false when there are more than {@linkcode MAX_JOINED_LINES}
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { eachLine } from "./line_joiner.ts";
 *
 * const lines: string[] = [];
 * assertEquals(eachLine('{"a":1}\n{"b":2}', (line) => lines.push(line)), true);
 * assertEquals(lines, ['{"a":1}', '{"b":2}']);
 * ```
 */
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
