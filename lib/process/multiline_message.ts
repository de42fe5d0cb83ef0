import { SECOND_MS } from "../base/units.ts";

/** How long the next line of a message may take. */
const NEXT_LINE_MS = SECOND_MS;
const MAX_LINES = 100_000;

interface SplitMessageOptions {
  maxChars: number;
  /** Takes lines that are not a message, or did not become one in time and size. */
  onGiveUp(text: string): void;
}

/**
 * Joins a message written over several lines, as by a server that indents its JSON: from a line that only opens an
 * object or an array to the line that only closes it, with the same indentation.
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

  /** Whether a message has begun. */
  get isOpen(): boolean {
    return this.#lines.length > 0;
  }

  /**
   * Takes a line that is not a message by itself.
   *
   * @returns the whole text when the line ends it; `taken` while it is incomplete; undefined for a line that belongs
   * to no message
   */
  take(line: string): { text: string } | "taken" | undefined {
    const bare = line.trimEnd();
    const opened = /^\s*([{[])$/.exec(bare);
    // Inner lines are indented: a second opening with the same indentation starts a new message.
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

  /** Passes the lines so far to `onGiveUp`. */
  giveUp(): void {
    if (this.isOpen) this.#options.onGiveUp(this.#empty());
  }

  #empty(): string {
    clearTimeout(this.#timer);
    const text = this.#lines.join("");
    this.#lines = [];
    this.#chars = 0;
    return text;
  }
}
