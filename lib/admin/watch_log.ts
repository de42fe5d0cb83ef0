import { clip } from "../base/text.ts";
import { messageOf } from "../base/errors.ts";
import { followLog, readTail } from "../state/log_tail.ts";
import type { LogEvent } from "./watch_event.ts";

/** Lines shown first, and kept between two looks. */
const MAX_LINES = 200;

/** A longer line is cut. */
const MAX_LINE_CHARS = 4000;

/** The lines of one log file, from its last ones on. */
export class WatchedLog implements Disposable {
  readonly #ended = new AbortController();
  #lines: string[] = [];
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
    this.#lines.push(clip(line, MAX_LINE_CHARS));
    // The latest are worth more than those that nobody could read in time.
    if (this.#lines.length > 2 * MAX_LINES) this.#lines.splice(0, MAX_LINES);
  }

  /** The lines since the last time; undefined: none. */
  take(atMs: number): LogEvent | undefined {
    const [lines, why] = [this.#lines, this.#why];
    if (lines.length === 0 && why === undefined) return undefined;
    [this.#lines, this.#why] = [[], undefined];
    return { type: "log", at_ms: atMs, lines, ...(why === undefined ? {} : { why }) };
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }
}
