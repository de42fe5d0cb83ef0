import type { RequestId } from "../wire/rpc.ts";
import type { JournalEntry } from "./journal.ts";

/** Answers that were not kept are remembered as such for so many requests; a client confirms long before. */
const MAX_FORGOTTEN = 10_000;

/** Which answers were given, but had to make room for others before the client confirmed them. */
export class EvictedResponses {
  /** Where the journal has each. */
  readonly #marks = new Map<RequestId, JournalEntry | undefined>();
  readonly #onforgotten: (mark: JournalEntry) => void;

  /** `onforgotten`: the journal need not know of that answer any more. */
  constructor(onforgotten: (mark: JournalEntry) => void) {
    this.#onforgotten = onforgotten;
  }

  add({ id, mark }: { id: RequestId; mark?: JournalEntry }): void {
    this.#marks.set(id, mark);
    if (this.#marks.size <= MAX_FORGOTTEN) return;
    const [first] = this.#marks;
    this.#marks.delete(first![0]);
    if (first![1]) this.#onforgotten(first![1]);
  }

  has(id: RequestId): boolean {
    return this.#marks.has(id);
  }

  /** Takes out `id`, which is answered again. */
  take(id: RequestId): JournalEntry | undefined {
    const mark = this.#marks.get(id);
    this.#marks.delete(id);
    return mark;
  }

  /** The client has every answer: none is waited for any more. */
  acknowledge(): void {
    for (const mark of this.#marks.values()) if (mark) this.#onforgotten(mark);
    this.clear();
  }

  /** Forgets them; the journal goes on to know of them. */
  clear(): void {
    this.#marks.clear();
  }
}
