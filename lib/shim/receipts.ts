/** Messages, and characters, received after which a receipt is sent at once. */
const BATCH_MESSAGES = 128;
const BATCH_CHARS = 1024 * 1024;
/** Otherwise a receipt is sent this long after the first message without one. */
const RECEIPT_DELAY_MS = 500;

/** Sends the daemon receipts of the messages received, in batches, so that it need not keep them for a resume. */
export class Receipts {
  readonly #send: (text: string) => void;
  #responses = 0;
  #messages = 0;
  #unreported = 0;
  #unreportedChars = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  /** Requests and notifications received in this session, on all connections. */
  get messages(): number {
    return this.#messages;
  }

  /** Counts a response; they are numbered by connection. */
  countResponse(chars: number): void {
    this.#responses++;
    this.#count(chars);
  }

  /** Counts a request or notification. */
  countMessage(chars: number): void {
    this.#messages++;
    this.#count(chars);
  }

  /** A connection begins, on which the daemon sends the message after number `messages` next. */
  begin(messages: number): void {
    this.#messages = messages;
    this.#responses = this.#unreported = this.#unreportedChars = 0;
  }

  /** The connection has ended. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #count(chars: number): void {
    this.#unreported++;
    this.#unreportedChars += chars;
    if (this.#unreported >= BATCH_MESSAGES || this.#unreportedChars >= BATCH_CHARS) this.#report();
    else this.#timer ??= setTimeout(() => this.#report(), RECEIPT_DELAY_MS);
  }

  #report(): void {
    this.stop();
    this.#unreported = this.#unreportedChars = 0;
    this.#send(JSON.stringify({ op: "received", answers: this.#responses, posts: this.#messages }));
  }
}
