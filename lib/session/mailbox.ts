import type { RequestId } from "../wire/rpc.ts";

export interface MailboxLimits {
  /** Messages kept for a client that is away or has not confirmed them. */
  maxMessages: number;
  /** Their size in UTF-16 code units, together. */
  maxChars: number;
}

/** Where a session's messages go while its client is attached. */
export interface Outlet {
  send(text: string): void;
  close(code: number, reason: string): void;
}

interface Answer {
  id: RequestId;
  text: string;
}

/**
 * The messages of one session on their way out. Without a connection they wait; answers are also kept after they were
 * sent until the client confirms them, for a sent frame is not a received one when the connection is cut.
 */
export class Mailbox {
  readonly #limits: MailboxLimits;
  #outlet: Outlet | undefined;
  #waiting: string[] = [];
  #waitingChars = 0;
  readonly #answers: Answer[] = [];
  #answersChars = 0;
  /** Answers sent or kept since the client last came back; what {@linkcode confirm} counts from. */
  #answered = 0;
  readonly #forgotten = new Set<RequestId>();
  #keepAnswers = false;

  constructor(limits: MailboxLimits) {
    this.#limits = limits;
  }

  get attached(): boolean {
    return this.#outlet !== undefined;
  }

  /** Whether answers are kept until confirmed; only clients that can come back need it. */
  set keepAnswers(keep: boolean) {
    this.#keepAnswers = keep;
  }

  attach(outlet: Outlet): void {
    this.#outlet = outlet;
  }

  /** Lets go of `outlet`; false when another connection has taken its place already. */
  detach(outlet: Outlet): boolean {
    if (this.#outlet !== outlet) return false;
    this.#outlet = undefined;
    return true;
  }

  close(code: number, reason: string): void {
    this.#outlet?.close(code, reason);
  }

  /** Sends a message that answers nothing; while the client is away it waits. */
  post(text: string): void {
    if (this.#outlet) return this.#outlet.send(text);
    if (!this.#keepAnswers) return;
    this.#waiting.push(text);
    this.#waitingChars += text.length;
    while (this.#waiting.length > this.#limits.maxMessages || this.#waitingChars > this.#limits.maxChars) {
      this.#waitingChars -= this.#waiting.shift()!.length;
    }
  }

  /** Sends what is only of use now, as progress; dropped while the client is away. */
  postNow(text: string): void {
    this.#outlet?.send(text);
  }

  /** Sends the answer to `id` and keeps it until {@linkcode confirm}. */
  answer(id: RequestId, text: string): void {
    if (this.#keepAnswers) this.#keep({ id, text });
    this.#outlet?.send(text);
  }

  /** The client has received the first `count` answers of this connection. */
  confirm(count: number): void {
    let first = this.#answered - this.#answers.length;
    while (first < count && this.#answers.length > 0) {
      this.#answersChars -= this.#answers.shift()!.text.length;
      first++;
    }
    if (this.#answers.length === 0) this.#forgotten.clear();
  }

  /** Whether the answer to `id` is kept here. */
  holds(id: RequestId): boolean {
    return this.#answers.some((answer) => answer.id === id);
  }

  /** Whether the answer to `id` was given, but had to make room for others before the client confirmed it. */
  hasForgotten(id: RequestId): boolean {
    return this.#forgotten.has(id);
  }

  /**
   * Sends again what a client that came back still waits for, and everything that came up while it was away. Answers
   * it does not wait for are forgotten.
   *
   * @returns the ids among `waiting` whose answers are kept here
   */
  resume(waiting: readonly RequestId[]): Set<RequestId> {
    const wanted = new Set(waiting);
    const kept = this.#answers.splice(0).filter((answer) => wanted.has(answer.id));
    this.#answersChars = 0;
    this.#answered = 0;
    for (const text of this.#waiting.splice(0)) this.#outlet?.send(text);
    this.#waitingChars = 0;
    for (const { id, text } of kept) this.answer(id, text);
    return new Set(kept.map((answer) => answer.id));
  }

  clear(): void {
    this.#outlet = undefined;
    this.#waiting = [];
    this.#answers.length = 0;
    this.#forgotten.clear();
    this.#waitingChars = 0;
    this.#answersChars = 0;
  }

  #keep(answer: Answer): void {
    this.#answered++;
    this.#answers.push(answer);
    this.#answersChars += answer.text.length;
    const { maxMessages, maxChars } = this.#limits;
    while (
      this.#answers.length > 1 && (this.#answers.length > maxMessages || this.#answersChars > maxChars)
    ) {
      const oldest = this.#answers.shift()!;
      this.#answersChars -= oldest.text.length;
      this.#forgotten.add(oldest.id);
    }
  }
}
