import { type ByteAccount, type ByteBudget, EVICTION_RANK, UNBOUNDED } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { heapBytes } from "../base/heap_bytes.ts";
import type { RequestId } from "../wire/rpc.ts";
import { ForgottenAnswers } from "./forgotten_answers.ts";
import type { JournaledCall, Mark, SessionJournal } from "./journal.ts";
import { type OnLost, OutboundMessages } from "./outbound_messages.ts";

export interface MailboxLimits {
  /** Messages kept for a client that is away or has not confirmed them. */
  maxMessages: number;
  /** Their size in UTF-16 code units, together. */
  maxChars: number;
  /** The bound on what is held for all sessions together. */
  budget?: ByteBudget;
}

/** Where a session's messages go while its client is attached. */
export interface Outlet {
  send(text: string): void;
  close(code: number, reason: string): void;
}

interface KeptAnswer {
  id: RequestId;
  text: string;
  /** Memory it takes. */
  bytes: number;
  /** Where the journal has it. */
  mark?: Mark;
}

/**
 * The messages of one session on their way out. Without a connection they wait; answers are also kept after they were
 * sent until the client confirms them, for a sent frame is not a received one when the connection is cut.
 */
export class Mailbox {
  readonly #limits: MailboxLimits;
  #outlet: Outlet | undefined;
  readonly #posts: OutboundMessages;
  /** Whether the client of this connection confirms what answers nothing, so that it is kept until then. */
  #keepPosts = false;
  readonly #answers: KeptAnswer[] = [];
  #answersChars = 0;
  /** Answers sent or kept since the client last came back; what {@linkcode confirm} counts from. */
  #answered = 0;
  readonly #forgotten = new ForgottenAnswers((mark) => this.#journal?.forget(mark));
  #keepAnswers = false;
  #journal: SessionJournal | undefined;
  /** Calls the journal knows as begun, until they are answered. */
  readonly #begun = new Map<RequestId, Mark>();
  /** Calls an earlier daemon began; how they ended nobody knows. */
  readonly #lost = new Map<RequestId, Mark>();

  /** What this mailbox holds of the budget of all. */
  readonly #account: ByteAccount;
  /** Since when the client is there, or is not. */
  #sinceMs = performance.now();

  constructor(limits: MailboxLimits) {
    this.#limits = limits;
    const rank = () => this.attached ? EVICTION_RANK.unconfirmed : EVICTION_RANK.away;
    const since = () => this.#sinceMs;
    this.#account = (limits.budget ?? UNBOUNDED).open({
      get rank() {
        return rank();
      },
      get sinceMs() {
        return since();
      },
      evict: (bytes) => this.#giveWay(bytes),
    });
    this.#posts = new OutboundMessages({ ...limits, onmove: (bytes) => this.#account.add(bytes) });
  }

  get attached(): boolean {
    return this.#outlet !== undefined;
  }

  /** Whether answers are kept until confirmed; only clients that can come back need it. */
  set keepAnswers(keep: boolean) {
    this.#keepAnswers = keep;
  }

  /** What begins and is answered from here on is kept in `journal` too, for the daemon after this one. */
  set journal(journal: SessionJournal) {
    this.#journal = journal;
  }

  /** Takes in what an earlier daemon has left. */
  adopt(calls: readonly JournaledCall[]): void {
    for (const { mark, answer } of calls) {
      if (answer === undefined) this.#lost.set(mark.id, mark);
      else this.#keep({ id: mark.id, text: answer, bytes: heapBytes(answer), mark });
    }
  }

  /** `keepPosts`: the client confirms what answers nothing, too. */
  attach(outlet: Outlet, { keepPosts = false } = {}): void {
    this.#outlet = outlet;
    this.#keepPosts = keepPosts;
    this.#sinceMs = performance.now();
  }

  /** Lets go of `outlet`; false when another connection has taken its place already. */
  detach(outlet: Outlet): boolean {
    if (this.#outlet !== outlet) return false;
    this.#outlet = undefined;
    this.#sinceMs = performance.now();
    return true;
  }

  close(code: number, reason: string): void {
    this.#outlet?.close(code, reason);
  }

  /**
   * Sends a message that answers nothing; while the client is away it waits. `onlost` is told when the client never had
   * it.
   */
  post(text: string, onlost?: OnLost): void {
    if (this.#keepAnswers && (this.#keepPosts || !this.#outlet)) this.#posts.keep(text, onlost);
    this.#outlet?.send(text);
  }

  /** Number of the last message that answers nothing before those the next client is sent. */
  get postsBase(): number {
    return this.#posts.base;
  }

  /** Sends what is only of use now, as progress; dropped while the client is away. */
  postNow(text: string): void {
    this.#outlet?.send(text);
  }

  /** The call `id` begins to do what must not be done twice. */
  began(id: RequestId): void {
    if (this.#journal && !this.#begun.has(id)) this.#begun.set(id, this.#journal.begin(id));
  }

  /** The call `id` gets no answer. */
  abandon(id: RequestId): void {
    const mark = this.#takeBegun(id);
    if (mark) this.#journal!.forget(mark);
  }

  /** Sends the answer to `id` and keeps it until {@linkcode confirm}. */
  answer(id: RequestId, text: string): void {
    const mark = this.#takeBegun(id);
    if (mark) this.#journal!.finish(mark, text, { soon: this.attached });
    if (this.#keepAnswers) this.#keep({ id, text, bytes: heapBytes(text), mark });
    this.#outlet?.send(text);
  }

  /** Sends the refusal of a request that came under the id of a running call, which goes on and keeps its mark. */
  refuseTwin(id: RequestId, text: string): void {
    if (this.#keepAnswers) this.#keep({ id, text, bytes: heapBytes(text) });
    this.#outlet?.send(text);
  }

  /** The client has received the first `count` messages of the session that answer nothing. */
  confirmPosts(count: number): void {
    this.#posts.confirm(count);
  }

  /** The client has received the first `count` answers of this connection. */
  confirm(count: number): void {
    let first = this.#answered - this.#answers.length;
    while (first < count && this.#answers.length > 0) {
      this.#drop(this.#answers.shift()!);
      first++;
    }
    if (this.#answers.length > 0) return;
    this.#forgotten.confirm();
  }

  /** Whether the answer to `id` is kept here. */
  holds(id: RequestId): boolean {
    return this.#answers.some((answer) => answer.id === id);
  }

  /** Whether the answer to `id` was given, but had to make room for others before the client confirmed it. */
  hasForgotten(id: RequestId): boolean {
    return this.#forgotten.has(id);
  }

  /** Whether the call `id` was begun by an earlier daemon and how it ended is not known. */
  hasLost(id: RequestId): boolean {
    return this.#lost.has(id);
  }

  /** The client knows which calls are lost. */
  forgetLost(): void {
    for (const mark of this.#lost.values()) this.#journal?.forget(mark);
    this.#lost.clear();
  }

  /**
   * Sends again what a client that came back still waits for, and everything else that it has not had. Answers it does
   * not wait for are forgotten; what was forgotten that it does wait for is answered with what `refusal` says.
   *
   * @returns how many messages it never had and will not have
   */
  resume(waiting: readonly RequestId[], refusal: (id: RequestId) => string): number {
    const wanted = new Set(waiting);
    // Before anything is kept anew: what makes room from here on has been sent again.
    const forgotten = waiting.filter((id) => this.#forgotten.has(id));
    const kept: KeptAnswer[] = [];
    for (const answer of this.#answers.splice(0)) {
      if (wanted.has(answer.id)) kept.push(answer);
      else this.#drop(answer);
    }
    this.#answersChars = 0;
    this.#answered = 0;
    // What is not kept any more was confirmed before the client was told what it is sent now.
    const { texts, lost } = this.#posts.resume(0);
    for (const text of texts) this.#outlet?.send(text);
    if (!this.#keepPosts) this.#posts.clear();
    for (const answer of kept) {
      this.#account.add(-answer.bytes);
      this.#keep(answer);
      this.#outlet?.send(answer.text);
    }
    for (const id of forgotten) this.#refuseForgotten(id, refusal(id));
    for (const onlost of lost) onlost(madeRoom());
    return lost.length;
  }

  /** As any answer it is kept until it is confirmed: client and daemon must count the same ones. */
  #refuseForgotten(id: RequestId, text: string): void {
    const mark = this.#forgotten.take(id);
    this.#keep({ id, text, bytes: heapBytes(text), mark });
    this.#outlet?.send(text);
  }

  /** The session is over: nothing is kept from here on, for nobody comes to fetch it and free its bytes. */
  clear(): void {
    this.#outlet = undefined;
    this.#keepAnswers = false;
    this.#posts.clear();
    this.#answers.length = 0;
    this.#forgotten.clear();
    // What ends after the session was ended by it: that is no answer to keep.
    this.#begun.clear();
    this.#lost.clear();
    this.#journal = undefined;
    this.#answersChars = 0;
    this.#account.set(0);
  }

  #keep(answer: KeptAnswer): void {
    this.#answered++;
    this.#answers.push(answer);
    this.#answersChars += answer.text.length;
    const { maxMessages, maxChars } = this.#limits;
    while (
      this.#answers.length > 1 && (this.#answers.length > maxMessages || this.#answersChars > maxChars)
    ) {
      this.#forgetOldest();
    }
    this.#account.add(answer.bytes);
  }

  /** The oldest answer has to make room; that it was given is remembered. */
  #forgetOldest(): void {
    const oldest = this.#answers.shift()!;
    this.#answersChars -= oldest.text.length;
    this.#account.add(-oldest.bytes);
    if (oldest.mark) this.#journal?.dropAnswer(oldest.mark);
    this.#forgotten.add(oldest);
  }

  /** What answers nothing goes before answers do. */
  #giveWay(bytes: number): void {
    const target = this.#account.bytes - bytes;
    while (this.#posts.size > 0 && this.#account.bytes > target) this.#posts.dropOldest();
    while (this.#answers.length > 0 && this.#account.bytes > target) this.#forgetOldest();
  }

  #drop({ text, bytes, mark }: KeptAnswer): void {
    this.#answersChars -= text.length;
    this.#account.add(-bytes);
    if (mark) this.#journal?.forget(mark);
  }

  #takeBegun(id: RequestId): Mark | undefined {
    const mark = this.#begun.get(id);
    this.#begun.delete(id);
    return mark;
  }
}

function madeRoom(): ExaiError {
  const why = "the client did not read what it was sent, and this had to make room for later messages";
  return new ExaiError("OVER_CAPACITY", why);
}
