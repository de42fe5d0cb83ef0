import type { Readable } from "node:stream";
import { redact } from "../base/log.ts";
import { formatBytes, KIB, MIB } from "../base/units.ts";

/** Bytes read in each slice of time; then the server has to wait. */
const SLICE_MS = 100;
const MAX_READ_BYTES = 2 * MIB;

/** Characters logged in each slice: the first of a burst, and a steady trickle. */
const MAX_LOGGED_CHARS = 16 * KIB;

const TAIL_CHARS = 2 * KIB;
/** Kept before the tail, so that a secret at its beginning is recognized as a whole. */
const KEPT_CHARS = 2 * TAIL_CHARS;
const TAIL_LINES = 10;

/**
 * Reads a server's stderr, so that it never blocks on a full pipe: keeps its last lines for messages and logs whole
 * lines. A flood is logged in part, and is read at 20 MiB a second at most, so that it costs the daemon next to
 * nothing.
 */
export class StderrReader {
  readonly #stream: Readable;
  readonly #onText: (text: string) => void;
  readonly #decoder = new TextDecoder();
  #tail = "";
  #partial = "";
  #readBytes = 0;
  #loggedChars = 0;
  #skippedBytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onText takes whole redacted lines, each with its line end */
  constructor(stream: Readable, onText: (text: string) => void) {
    this.#stream = stream;
    this.#onText = onText;
    stream.on("data", (chunk: Uint8Array) => this.#take(chunk));
    stream.on("error", () => {});
    stream.on("close", () => this.#end());
  }

  /** The last lines, redacted. */
  get tail(): string {
    const lines = this.#tail.split("\n").map((line) => line.trimEnd()).filter((line) => line !== "");
    return redact(lines.slice(-TAIL_LINES).join("\n")).slice(-TAIL_CHARS);
  }

  #take(chunk: Uint8Array): void {
    this.#timer ??= setTimeout(() => this.#nextSlice(), SLICE_MS);
    this.#readBytes += chunk.length;
    if (this.#readBytes > MAX_READ_BYTES) this.#stream.pause();
    const isFlood = this.#loggedChars > MAX_LOGGED_CHARS;
    const text = isFlood ? decodeEnd(chunk) : this.#decoder.decode(chunk, { stream: true });
    this.#tail = (this.#tail + text).slice(-KEPT_CHARS);
    if (isFlood) this.#skippedBytes += chunk.length;
    else this.#log(text);
  }

  #log(text: string): void {
    const cut = text.lastIndexOf("\n") + 1;
    if (cut === 0 && this.#partial.length < MAX_LOGGED_CHARS) {
      this.#partial += text;
      return;
    }
    const lines = this.#partial + (cut === 0 ? text + "\n" : text.slice(0, cut));
    this.#partial = cut === 0 ? "" : text.slice(cut);
    this.#loggedChars += lines.length;
    this.#onText(redact(lines));
  }

  #nextSlice(): void {
    const wasBusy = this.#readBytes > 0;
    this.#readBytes = 0;
    this.#loggedChars = 0;
    this.#tellSkipped();
    this.#timer = wasBusy ? setTimeout(() => this.#nextSlice(), SLICE_MS) : undefined;
    if (this.#stream.isPaused()) this.#stream.resume();
  }

  #tellSkipped(): void {
    if (this.#skippedBytes === 0) return;
    this.#partial = "";
    this.#onText(`(${formatBytes(this.#skippedBytes)} more than the log takes are left out)\n`);
    this.#skippedBytes = 0;
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#tellSkipped();
    if (this.#partial !== "") this.#onText(redact(this.#partial + "\n"));
    this.#partial = "";
  }
}

function decodeEnd(chunk: Uint8Array): string {
  return new TextDecoder().decode(chunk.subarray(-KEPT_CHARS));
}
