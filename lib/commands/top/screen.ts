import { on } from "node:events";
import { emitKeypressEvents } from "node:readline";
import { PassThrough } from "node:stream";
import { UsageError } from "../../base/errors.ts";
import { terminalKind } from "../../config/desktop.ts";
import type { KeyPress } from "./press.ts";

/** The other screen of the terminal, no cursor, no wrapping of what is too wide. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/** The ends of a program that no `using` sees. */
const ENDS = ["unload", "error", "unhandledrejection"] as const;

/** A process that was to be stopped, and still runs after this, was not. */
const NOT_STOPPED_MS = 200;

/** Where a terminal does not tell its size. */
const DEFAULT_SIZE = { columns: 80, rows: 24 };

export interface Size {
  columns: number;
  rows: number;
}

/** What `top` needs of a terminal. */
export interface Screen {
  readonly size: Size;
  /** Draws lines, those that are other than before. */
  draw(lines: readonly string[]): void;
  /** Draws all again the next time. */
  clear(): void;
  keys(): AsyncIterable<KeyPress>;
}

/** @throws {UsageError} stdin or stdout is no terminal, or one that says it cannot be drawn on */
export function checkTerminal(): void {
  const kind = terminalKind();
  const missing = !Deno.stdout.isTerminal() ? "stdout is none" : !Deno.stdin.isTerminal()
    ? "stdin is none"
    // Consoles of Windows have no TERM.
    : kind === "dumb" || (kind === "" && Deno.build.os !== "windows")
    ? `with TERM=${kind} this one cannot be drawn on`
    : undefined;
  if (missing === undefined) return;
  throw new UsageError(
    `top draws on a terminal, and ${missing}; use exai-daemon ps, exai-daemon calls --follow, or ` +
      "exai-daemon top --json, which prints what changes",
  );
}

/** The terminal of this process once it is entered; as it was when this is disposed, or the program ends otherwise. */
export class TerminalScreen implements Screen, Disposable {
  readonly #encoder = new TextEncoder();
  readonly #restore = () => this.#leave();
  #drawn: readonly string[] = [];
  #isEntered = false;

  /** Takes the terminal, at the start and after a pause. */
  enter(): void {
    for (const end of ENDS) addEventListener(end, this.#restore);
    Deno.stdin.setRaw(true);
    this.#isEntered = true;
    this.#write(ENTER);
    this.clear();
  }

  get size(): Size {
    try {
      const { columns, rows } = Deno.consoleSize();
      return columns > 0 && rows > 0 ? { columns, rows } : DEFAULT_SIZE;
    } catch {
      return DEFAULT_SIZE;
    }
  }

  draw(lines: readonly string[]): void {
    // The shell has it, for as long as this process is stopped.
    if (!this.#isEntered) return;
    const isWhole = lines.length !== this.#drawn.length;
    const changed = lines.flatMap((line, i) =>
      isWhole || line !== this.#drawn.at(i) ? [`\x1b[${i + 1};1H\x1b[2K${line}`] : []
    );
    if (changed.length === 0) return;
    this.#drawn = lines;
    this.#write((isWhole ? "\x1b[2J" : "") + changed.join(""));
  }

  clear(): void {
    this.#drawn = [];
  }

  async *keys(): AsyncGenerator<KeyPress> {
    const bytes = new PassThrough();
    emitKeypressEvents(bytes);
    const pressed = on(bytes, "keypress", { close: ["end"] });
    const read = async () => {
      for await (const chunk of Deno.stdin.readable) bytes.write(chunk);
    };
    void read().catch(() => {}).finally(() => bytes.end());
    for await (const [, key] of pressed) yield key;
  }

  /**
   * Gives the terminal back for as long as the shell has stopped this process (Ctrl+Z), with all others of its job: a
   * shell waits for a program that has started this one. Where no shell is there to go on, nothing stops.
   */
  suspend(): void {
    this.#leave();
    Deno.kill(0, "SIGTSTP");
    setTimeout(() => this.#isEntered || this.enter(), NOT_STOPPED_MS);
  }

  [Symbol.dispose](): void {
    for (const end of ENDS) removeEventListener(end, this.#restore);
    this.#leave();
  }

  #leave(): void {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    // The terminal may be gone.
    try {
      this.#write(LEAVE);
      Deno.stdin.setRaw(false);
    } catch {
      return;
    }
  }

  #write(text: string): void {
    let rest = this.#encoder.encode(text);
    while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
  }
}
