import type { RequestId } from "../wire/rpc.ts";
import type { JournalEntry } from "./journal.ts";

/** Ids remembered; clients acknowledge long before. */
const MAX_EVICTED = 10_000;

/**
 * The ids of responses that were evicted from the replay buffer before the client acknowledged them: a client that
 * resumes and still waits for one learns that its call has run.
 */
export class EvictedResponses {
  /** The journal's entry of each, if it has one. */
  readonly #entries = new Map<RequestId, JournalEntry | undefined>();
  readonly #discard: (entry: JournalEntry) => void;

  /** @param discard called for an entry that the journal no longer needs */
  constructor(discard: (entry: JournalEntry) => void) {
    this.#discard = discard;
  }

  add({ id, entry }: { id: RequestId; entry?: JournalEntry }): void {
    this.#entries.set(id, entry);
    if (this.#entries.size <= MAX_EVICTED) return;
    const [oldestId, oldest] = this.#entries.entries().next().value!;
    this.#entries.delete(oldestId);
    if (oldest) this.#discard(oldest);
  }

  has(id: RequestId): boolean {
    return this.#entries.has(id);
  }

  /** Removes `id`, which gets another response, and returns its entry. */
  take(id: RequestId): JournalEntry | undefined {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    return entry;
  }

  /** The client has every response: discards all entries. */
  acknowledge(): void {
    for (const entry of this.#entries.values()) if (entry) this.#discard(entry);
    this.clear();
  }

  /** Forgets the ids; the journal keeps its entries. */
  clear(): void {
    this.#entries.clear();
  }
}
