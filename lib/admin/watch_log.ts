import { clip } from "../base/text.ts";
import { messageOf } from "../base/errors.ts";
import { KIB } from "../base/units.ts";
import { followLog, readTail } from "../state/log_tail.ts";
import type { LogEvent } from "./watch_event.ts";

/** Lines shown first, and kept between two looks. */
const MAX_LINES = 200;

/** A longer line is cut. */
const MAX_LINE_CHARS = 4000;

/** Characters kept between two looks, for one who does not read. */
const MAX_CHARS = 256 * KIB;

/** The lines of one log file, from its last ones on. */
export class WatchedLog implements Disposable {
  readonly #ended = new AbortController();
  #lines: string[] = [];
  #chars = 0;
  /** Lines that nobody could read in time. */
  #leftOut = 0;
  #why: string | undefined;

  /** @param path of the file, which may come later */
  constructor(path: string) {
    this.#follow(path).catch((thrown) => {
      this.#why = `the log at ${path} cannot be read: ${messageOf(thrown)}`;
    });
  }

  async #follow(path: string): Promise<void> {
    const { lines, end } = await readTail(path, MAX_LINES);
    if (lines.length === 0) this.#why = `nothing was written to ${path} yet`;
    for (const line of lines) this.#add(line);
    for await (const line of followLog(path, end, this.#ended.signal)) this.#add(line);
  }

  #add(line: string): void {
    const kept = clip(line, MAX_LINE_CHARS);
    this.#chars += kept.length;
    this.#lines.push(kept);
    // The latest are worth more than those that nobody could read in time.
    while (this.#lines.length > 2 * MAX_LINES || this.#chars > MAX_CHARS) {
      this.#chars -= this.#lines.shift()!.length;
      this.#leftOut++;
    }
  }

  /** The lines since the last time; undefined: none. */
  take(atMs: number): LogEvent | undefined {
    const [lines, leftOut] = [this.#lines, this.#leftOut];
    const why = leftOut > 0 ? `${leftOut} lines before these came too fast to be shown` : this.#why;
    if (lines.length === 0 && why === undefined) return undefined;
    [this.#lines, this.#why, this.#chars, this.#leftOut] = [[], undefined, 0, 0];
    return { type: "log", at_ms: atMs, lines, ...(why === undefined ? {} : { why }) };
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }
}
