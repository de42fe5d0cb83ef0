import { type ByteAccount, type ByteBudget, EVICTION_RANK, UNBOUNDED } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { heapBytes } from "../base/heap_bytes.ts";
import type { RequestId } from "../wire/rpc.ts";

/** A request of the daemon to the client. */
export interface OwnQuestion {
  id: RequestId;
  method: string;
  text: string;
  /** Called when it never reached the client and will not be sent. */
  onUndelivered?(error: ExaiError): void;
}

/** Of more, the oldest are left out. */
const MAX_WAITING = 64;

/** Questions to a client of Streamable HTTP that wait until it reads a stream, the oldest first. */
export class WaitingQuestions {
  readonly #waiting = new Map<RequestId, OwnQuestion>();
  readonly #account: ByteAccount;
  /** Since when there are any. */
  #sinceMs = 0;

  constructor(budget: ByteBudget = UNBOUNDED) {
    this.#account = budget.open({
      rank: () => EVICTION_RANK.away,
      sinceMs: () => this.#sinceMs,
      evict: (bytes) => this.#evict(bytes),
    });
  }

  add(question: OwnQuestion): void {
    if (this.#waiting.size === 0) this.#sinceMs = performance.now();
    this.#waiting.set(question.id, question);
    if (this.#waiting.size > MAX_WAITING) this.#leaveOut();
    // Last: it may evict.
    this.#account.add(heapBytes(question.text));
  }

  /** Takes out the question `id`, which nobody asks any more; false when it does not wait. */
  withdraw(id: RequestId): boolean {
    const question = this.#waiting.get(id);
    if (!question) return false;
    this.#waiting.delete(id);
    this.#account.add(-heapBytes(question.text));
    return true;
  }

  /** Takes out all. */
  take(): OwnQuestion[] {
    const questions = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#account.set(0);
    return questions;
  }

  #evict(bytes: number): void {
    const target = this.#account.bytes - bytes;
    while (this.#account.bytes > target && this.#waiting.size > 0) this.#leaveOut();
  }

  /** Drops the oldest one, and says so to whom it is of. */
  #leaveOut(): void {
    const [oldest] = this.#waiting.values();
    this.withdraw(oldest!.id);
    const why =
      "the client read no stream on which it could be asked, and this had to make room for later questions";
    oldest!.onUndelivered?.(new ExaiError("OVER_CAPACITY", why));
  }
}
