/** Messages received after which the daemon is told at once. */
const BATCH_MESSAGES = 128;
const BATCH_CHARS = 1024 * 1024;
const QUIET_MS = 500;

/**
 * Tells the daemon how many messages have arrived, so that it need not keep them for a resume: now and then, not each by
 * itself.
 */
export class Receipts {
  readonly #send: (text: string) => void;
  /** Answers of this connection. */
  #answers = 0;
  /** What answers nothing, of the whole session. */
  #posts = 0;
  #untold = 0;
  #untoldChars = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  /** Requests and notifications of the daemon that have arrived in this session. */
  get messages(): number {
    return this.#posts;
  }

  /** An answer of so many UTF-16 code units has arrived. */
  countResponse(chars: number): void {
    this.#answers++;
    this.#count(chars);
  }

  /** A message that answers nothing has arrived. */
  countMessage(chars: number): void {
    this.#posts++;
    this.#count(chars);
  }

  /** A connection has begun on which the daemon goes on after its message number `posts`. */
  begin(posts: number): void {
    this.#posts = posts;
    this.#answers = this.#untold = this.#untoldChars = 0;
  }

  /** The connection has ended. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #count(chars: number): void {
    this.#untold++;
    this.#untoldChars += chars;
    if (this.#untold >= BATCH_MESSAGES || this.#untoldChars >= BATCH_CHARS) this.#tell();
    else this.#timer ??= setTimeout(() => this.#tell(), QUIET_MS);
  }

  #tell(): void {
    this.stop();
    this.#untold = this.#untoldChars = 0;
    this.#send(JSON.stringify({ op: "received", answers: this.#answers, posts: this.#posts }));
  }
}
