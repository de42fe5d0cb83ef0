import { SECOND_MS } from "../base/units.ts";

/** How long the next line of a message may take. */
const NEXT_LINE_MS = SECOND_MS;
const MAX_LINES = 100_000;

interface SplitMessageOptions {
  maxChars: number;
  /** The lines were no message after all, or did not become one in time and size. */
  ongiveup(text: string): void;
}

/**
 * Puts together a message that was written over several lines, as a server does that indents its JSON: from a line that
 * only opens an object or a list to the line that only closes it, with the same indentation.
 */
export class MultilineMessage {
  readonly #options: SplitMessageOptions;
  #lines: string[] = [];
  #chars = 0;
  #close = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SplitMessageOptions) {
    this.#options = options;
  }

  /** Whether the beginning of a message is there. */
  get isOpen(): boolean {
    return this.#lines.length > 0;
  }

  /**
   * Takes a line that is no message by itself.
   *
   * @returns the whole text once it is there; `taken` while it is not; undefined for a line that belongs to none
   */
  take(line: string): { text: string } | "taken" | undefined {
    const bare = line.trimEnd();
    const opened = /^\s*([{[])$/.exec(bare);
    // What stands within is indented: a second that opens as far out begins anew.
    if (opened && this.isOpen && bare.length === this.#close.length) this.giveUp();
    if (!this.isOpen) {
      if (!opened) return undefined;
      this.#close = bare.slice(0, -1) + (opened[1] === "{" ? "}" : "]");
    }
    this.#lines.push(line);
    this.#chars += line.length;
    clearTimeout(this.#timer);
    if (bare === this.#close) return { text: this.#empty() };
    if (this.#chars > this.#options.maxChars || this.#lines.length > MAX_LINES) this.giveUp();
    else this.#timer = setTimeout(() => this.giveUp(), NEXT_LINE_MS);
    return "taken";
  }

  /** The lines that are there belong to no message. */
  giveUp(): void {
    if (this.isOpen) this.#options.ongiveup(this.#empty());
  }

  #empty(): string {
    clearTimeout(this.#timer);
    const text = this.#lines.join("");
    this.#lines = [];
    this.#chars = 0;
    return text;
  }
}
