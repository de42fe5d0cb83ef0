/** The advice for a server whose output is not understood. */
export const ONE_A_LINE = "a stdio server must write one JSON message a line";

const LENGTH = /^content-length:\s*(\d{1,10})\s*$/i;
const OTHER_HEADER = /^[\w-]{1,40}:\s*\S/;

/**
 * Recognizes the headers that language servers put before each message in place of a newline after it. MCP does not
 * have them, but some servers use libraries for both.
 */
export class ContentLengthHeaders {
  #line: string | undefined;
  #bytes = 0;

  /**
   * Takes a line that may be a header.
   *
   * @returns `taken` for a header; the size of the body after the last one; undefined for any other line
   */
  take(line: string): "taken" | number | undefined {
    const bare = line.trim();
    const [, length] = LENGTH.exec(bare) ?? [];
    if (length !== undefined) {
      this.#line = bare;
      this.#bytes = Number(length);
      return "taken";
    }
    if (this.#line === undefined) return undefined;
    if (OTHER_HEADER.test(bare)) return "taken";
    return bare === "" && this.#bytes > 0 ? (this.#line = undefined, this.#bytes) : undefined;
  }

  /** The line that was taken for a header, when what follows it is not a body. */
  giveUp(): string | undefined {
    const line = this.#line;
    this.#line = undefined;
    return line;
  }
}
