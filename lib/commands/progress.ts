import { SECOND_MS } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import { cutToWidth } from "./table.ts";
import type { ProgressScreen } from "./terminal.ts";

/** Shows on stderr what a command is waiting for, once that takes more than a second. */
export interface CommandProgress {
  /** Begins the step `what`: "waiting for 2 calls to end". The step before it is over; the same one goes on. */
  step(what: string): void;
  /** Ends the step: the command prints, or asks the user something. */
  end(): void;
}

/** A step that is done sooner is not worth a line. */
const SHOW_AFTER_MS = SECOND_MS;
const CLEAR_LINE = "\r\x1b[2K";

/** One line of progress: rewritten every second on a terminal, else written once for each step. */
export class ProgressLine implements CommandProgress, Disposable {
  readonly #screen: ProgressScreen;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #what: string | undefined;
  #isShown = false;

  constructor(screen: ProgressScreen) {
    this.#screen = screen;
  }

  step(what: string): void {
    if (this.#timer !== undefined && what === this.#what) return;
    this.end();
    this.#what = what;
    this.#showLater(visible(what), performance.now());
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isShown && this.#screen.columns !== undefined) this.#screen.write(CLEAR_LINE);
    this.#isShown = false;
  }

  [Symbol.dispose](): void {
    this.end();
  }

  #showLater(what: string, begunAtMs: number): void {
    this.#timer = setTimeout(() => {
      const { columns } = this.#screen;
      const text = `${what} (${Math.round((performance.now() - begunAtMs) / SECOND_MS)} s)`;
      this.#isShown = true;
      if (columns === undefined) return this.#screen.write(`${text}\n`);
      this.#screen.write(CLEAR_LINE + cutToWidth(text, Math.max(1, columns - 1)));
      this.#showLater(what, begunAtMs);
    }, SHOW_AFTER_MS);
    // The command keeps the process alive, not its progress.
    Deno.unrefTimer(this.#timer);
  }
}
