/**
 * Makes lines of the parts of a text, which may end within one. A line of many parts is put together once, at its end:
 * to search all of it again with each part would take quadratic time.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { LineSplitter } from "./line_splitter.ts";
 *
 * const lines = new LineSplitter();
 * assertEquals(lines.take("a\nb"), ["a"]);
 * assertEquals(lines.take("c\n\nd"), ["bc", ""]);
 * assertEquals(lines.rest(), "d");
 * ```
 */
export class LineSplitter {
  #begun: string[] = [];
  #begunChars = 0;

  /** How much there is of a line whose end has not come, in UTF-16 code units. */
  get begunChars(): number {
    return this.#begunChars;
  }

  /** The lines that end in `part`, without their ends. */
  take(part: string): string[] {
    const lines = part.split("\n");
    const last = lines.pop()!;
    if (lines.length > 0) lines[0] = this.rest() + lines[0];
    this.#begun.push(last);
    this.#begunChars += last.length;
    return lines;
  }

  /** What came of a line whose end has not come; the next part begins another. */
  rest(): string {
    const rest = this.#begun.join("");
    this.#begun = [];
    this.#begunChars = 0;
    return rest;
  }
}
