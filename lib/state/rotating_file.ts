import { messageOf } from "../base/errors.ts";
import { KIB, MIB } from "../base/units.ts";

interface RotatingFileOptions {
  /** Size at which the file is rotated, in bytes. */
  maxBytes: number;
  /** Rotated files that are kept, 3 by default; `name.1` is the newest. */
  maxOldFiles?: number;
  /** How long a line may wait for others of its batch, in milliseconds; 500 by default. */
  delayMs?: number;
  /** Called once when writing begins to fail, and once (with undefined) when it works again. */
  onFault?(fault: string | undefined): void;
}

const DELAY_MS = 500;
const BATCH_CHARS = 64 * KIB;
const MAX_PENDING_CHARS = 4 * MIB;

/**
 * A private file that lines are appended to, in batches and without blocking. It is opened for each batch, so that
 * several processes can share it, Windows can rename it, and writing recovers from a full disk or a missing directory.
 * Lines that cannot be written are dropped and counted; nothing is thrown.
 *
 * Not the rotating sink of `@logtape/file`: it sets no file mode, keeps one descriptor open (a process goes on writing
 * to a file that another has rotated), ignores short writes, and reports a full disk in its own log only.
 *
 * @example
 * ```ts
 * import { RotatingFile } from "./rotating_file.ts";
 *
 * const path = Deno.makeTempDirSync() + "/metrics.jsonl";
 * await using file = new RotatingFile(path, { maxBytes: 1_000_000 });
 * file.append('{"tool":"chat"}\n');
 * await file.flush();
 * console.assert(Deno.readTextFileSync(path) === '{"tool":"chat"}\n');
 * ```
 */
export class RotatingFile implements AsyncDisposable {
  readonly path: string;
  readonly #options: RotatingFileOptions;
  #pending: string[] = [];
  #pendingChars = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | undefined;
  #fault: string | undefined;
  #lost = 0;
  #isDisposed = false;

  constructor(path: string, options: RotatingFileOptions) {
    this.path = path;
    this.#options = options;
  }

  /** Why lines cannot be written now, in a sentence. */
  get fault(): string | undefined {
    return this.#fault && `${this.#fault}; ${this.#lost} lines lost`;
  }

  /** Queues `line`, which ends with `\n`. Dropped after dispose: the directory may be about to be removed. */
  append(line: string): void {
    if (this.#isDisposed) return;
    if (this.#pendingChars > MAX_PENDING_CHARS) {
      this.#lost++;
      return;
    }
    this.#pending.push(line);
    this.#pendingChars += line.length;
    if (this.#pendingChars >= BATCH_CHARS) this.#start();
    else this.#schedule();
  }

  /** Resolves when every queued line is written, or has failed to be. */
  async flush(): Promise<void> {
    while (this.#writing || this.#pending.length > 0) await this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Not flush(): a line could come before its caller goes on.
    while (this.#writing || this.#pending.length > 0) await this.#start();
    this.#isDisposed = true;
  }

  // Lines queued while a batch is written wait their full time too, so that a busy program writes large batches.
  #schedule(): void {
    if (this.#timer !== undefined || this.#writing) return;
    this.#timer = setTimeout(() => this.#start(), this.#options.delayMs ?? DELAY_MS);
    // Dispose flushes; a queued line alone does not keep the process alive.
    Deno.unrefTimer(this.#timer);
  }

  #start(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#writing ??= this.#writeBatch().finally(() => {
      this.#writing = undefined;
      if (this.#pending.length > 0) this.#schedule();
    });
  }

  async #writeBatch(): Promise<void> {
    const lines = this.#pending;
    this.#pending = [];
    this.#pendingChars = 0;
    try {
      await this.#write(lines.join(""));
      this.#setFault(undefined);
    } catch (thrown) {
      this.#lost += lines.length;
      this.#setFault(`${this.path} cannot be written: ${messageOf(thrown)}`);
    }
  }

  #setFault(fault: string | undefined): void {
    const changed = (this.#fault === undefined) !== (fault === undefined);
    this.#fault = fault;
    if (changed) this.#options.onFault?.(fault);
    if (fault === undefined) this.#lost = 0;
  }

  async #write(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    const info = await Deno.stat(this.path).catch(() => undefined);
    if (info && info.size > 0 && info.size + bytes.length > this.#options.maxBytes) await this.#rotate();
    await Deno.writeFile(this.path, bytes, { append: true, mode: 0o600 });
  }

  // A file that cannot be renamed, as when another program holds it open on Windows, grows until it can be.
  async #rotate(): Promise<void> {
    const keep = this.#options.maxOldFiles ?? 3;
    for (let n = keep - 1; n >= 1; n--) {
      await Deno.rename(`${this.path}.${n}`, `${this.path}.${n + 1}`).catch(() => {});
    }
    await Deno.rename(this.path, `${this.path}.1`).catch(() => {});
  }
}
