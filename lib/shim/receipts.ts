/** Answers received after which the daemon is told at once. */
const BATCH_ANSWERS = 128;
const BATCH_CHARS = 1024 * 1024;
const QUIET_MS = 500;

/**
 * Tells the daemon how many answers of this connection have arrived, so that it need not keep them for a resume: now
 * and then, not each by itself.
 */
export class Receipts {
  readonly #send: (text: string) => void;
  #received = 0;
  #untold = 0;
  #untoldChars = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  /** An answer of so many UTF-16 code units has arrived. */
  count(chars: number): void {
    this.#received++;
    this.#untold++;
    this.#untoldChars += chars;
    if (this.#untold >= BATCH_ANSWERS || this.#untoldChars >= BATCH_CHARS) this.#tell();
    else this.#timer ??= setTimeout(() => this.#tell(), QUIET_MS);
  }

  /** The connection has ended; the next one is counted anew. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#received = this.#untold = this.#untoldChars = 0;
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#untold = this.#untoldChars = 0;
    this.#send(JSON.stringify({ op: "received", answers: this.#received }));
  }
}
