import { messageOf } from "../base/errors.ts";
import { KIB, MIB } from "../base/units.ts";

interface RotatingFileOptions {
  /** Size at which the file is put aside and a new one begun, in bytes. */
  maxBytes: number;
  /** Files put aside that are kept: `name.1` is the newest. */
  maxOldFiles?: number;
  /** How long a line may wait for others to be written with it, in milliseconds. */
  delayMs?: number;
  /** Told once when writing begins to fail, and once (with undefined) when it works again. */
  onFault?: (fault: string | undefined) => void;
}

const DELAY_MS = 500;
const BATCH_CHARS = 64 * KIB;
const MAX_PENDING_CHARS = 4 * MIB;

/**
 * A private file that lines are appended to, in batches and without blocking. It is opened anew for each batch, so
 * that several processes may share it, Windows may rename it, and a full disk or a missing directory does no harm
 * once it is back. Lines that cannot be written are dropped and counted; nothing is ever thrown.
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

  constructor(path: string, options: RotatingFileOptions) {
    this.path = path;
    this.#options = options;
  }

  /** Why lines cannot be written now, in a sentence; undefined when they can. */
  get fault(): string | undefined {
    return this.#fault && `${this.#fault}; ${this.#lost} lines lost`;
  }

  /** Queues `line`, which ends with a line end. */
  append(line: string): void {
    if (this.#pendingChars > MAX_PENDING_CHARS) {
      this.#lost++;
      return;
    }
    this.#pending.push(line);
    this.#pendingChars += line.length;
    if (this.#pendingChars >= BATCH_CHARS) this.#start();
    else this.#arm();
  }

  /** Resolves when everything queued so far is written, or could not be. */
  async flush(): Promise<void> {
    while (this.#writing || this.#pending.length > 0) await this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
  }

  // Lines that come while a batch is written wait for the next like any others: a busy program writes many at once.
  #arm(): void {
    if (this.#timer !== undefined || this.#writing) return;
    this.#timer = setTimeout(() => this.#start(), this.#options.delayMs ?? DELAY_MS);
    // Whoever ends the program flushes; a waiting line alone does not keep it alive.
    Deno.unrefTimer(this.#timer);
  }

  #start(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#writing ??= this.#writeBatch().finally(() => {
      this.#writing = undefined;
      if (this.#pending.length > 0) this.#arm();
    });
  }

  async #writeBatch(): Promise<void> {
    const lines = this.#pending;
    this.#pending = [];
    this.#pendingChars = 0;
    try {
      await this.#write(lines.join(""));
      this.#tell(undefined);
    } catch (thrown) {
      this.#lost += lines.length;
      this.#tell(`${this.path} cannot be written: ${messageOf(thrown)}`);
    }
  }

  #tell(fault: string | undefined): void {
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

  // A file that cannot be put aside, as when another program holds it open on Windows, goes on growing until it can.
  async #rotate(): Promise<void> {
    const keep = this.#options.maxOldFiles ?? 3;
    for (let n = keep - 1; n >= 1; n--) {
      await Deno.rename(`${this.path}.${n}`, `${this.path}.${n + 1}`).catch(() => {});
    }
    await Deno.rename(this.path, `${this.path}.1`).catch(() => {});
  }
}
