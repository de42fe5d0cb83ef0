import { heapBytes } from "../base/heap_bytes.ts";
import type { RequestId } from "../wire/rpc.ts";
import { EvictedResponses } from "./evicted_responses.ts";
import type { JournalEntry, SessionJournal } from "./journal.ts";

interface OutboundResponse {
  id: RequestId;
  text: string;
  /** Memory it takes. */
  bytes: number;
  entry?: JournalEntry;
}

/** What a client that resumes is sent. */
interface ResumedResponses {
  wanted: OutboundResponse[];
  /** Ids it waits for whose responses were evicted. */
  evicted: RequestId[];
}

interface OutboundResponsesOptions {
  maxMessages: number;
  /** In UTF-16 code units, all responses together. */
  maxChars: number;
  /** Called with the change of the bytes held, negative when fewer. */
  onSizeChange(bytes: number): void;
  /** The session's journal; undefined once the session has ended. */
  journal(): SessionJournal | undefined;
}

/** Responses to one client, kept in order until it acknowledges them by count. Beyond the limits the oldest are evicted. */
export class OutboundResponses {
  readonly #options: OutboundResponsesOptions;
  readonly #kept: OutboundResponse[] = [];
  readonly #evicted: EvictedResponses;
  #chars = 0;
  /** Responses sent or kept since the client last resumed; {@linkcode acknowledge} counts from there. */
  #count = 0;

  constructor(options: OutboundResponsesOptions) {
    this.#options = options;
    this.#evicted = new EvictedResponses((entry) => options.journal()?.forget(entry));
  }

  get size(): number {
    return this.#kept.length;
  }

  has(id: RequestId): boolean {
    return this.#kept.some((response) => response.id === id);
  }

  /** Whether the response to `id` was evicted before the client acknowledged it. */
  hasEvicted(id: RequestId): boolean {
    return this.#evicted.has(id);
  }

  add({ id, text, entry }: Omit<OutboundResponse, "bytes">): void {
    this.#keep({ id, text, bytes: heapBytes(text), entry });
  }

  /** The client has received the first `count` responses since it last resumed. */
  acknowledge(count: number): void {
    let first = this.#count - this.#kept.length;
    while (first < count && this.#kept.length > 0) {
      this.#drop(this.#kept.shift()!);
      first++;
    }
    if (this.#kept.length === 0) this.#evicted.acknowledge();
  }

  evictOldest(): void {
    const oldest = this.#kept.shift()!;
    this.#chars -= oldest.text.length;
    this.#options.onSizeChange(-oldest.bytes);
    if (oldest.entry) this.#options.journal()?.dropAnswer(oldest.entry);
    this.#evicted.add(oldest);
  }

  /** Drops what a client that has reconnected does not wait for, and takes out the rest for {@linkcode keepAgain}. */
  takeWanted(waiting: readonly RequestId[]): ResumedResponses {
    const ids = new Set(waiting);
    // Listed before anything is kept again: what is evicted from there on has been sent again.
    const evicted = waiting.filter((id) => this.#evicted.has(id));
    const wanted: OutboundResponse[] = [];
    for (const response of this.#kept.splice(0)) {
      if (ids.has(response.id)) wanted.push(response);
      else this.#drop(response);
    }
    this.#chars = 0;
    this.#count = 0;
    return { wanted, evicted };
  }

  /**
   * Keeps the responses of {@linkcode takeWanted} again, each just before it is sent.
   *
   * @param evictedError makes the response to a request whose own response was evicted; it is kept like any other, since
   * client and daemon must count the same ones
   */
  *keepAgain(
    { wanted, evicted }: ResumedResponses,
    evictedError: (id: RequestId) => string,
  ): Generator<string> {
    for (const response of wanted) {
      this.#options.onSizeChange(-response.bytes);
      this.#keep(response);
      yield response.text;
    }
    for (const id of evicted) {
      const text = evictedError(id);
      this.add({ id, text, entry: this.#evicted.take(id) });
      yield text;
    }
  }

  /** Drops everything; the journal keeps its entries. */
  clear(): void {
    this.#kept.length = 0;
    this.#chars = 0;
    this.#evicted.clear();
  }

  #keep(response: OutboundResponse): void {
    this.#count++;
    this.#kept.push(response);
    this.#chars += response.text.length;
    const { maxMessages, maxChars, onSizeChange } = this.#options;
    while (this.#kept.length > 1 && (this.#kept.length > maxMessages || this.#chars > maxChars)) {
      this.evictOldest();
    }
    onSizeChange(response.bytes);
  }

  #drop({ text, bytes, entry }: OutboundResponse): void {
    this.#chars -= text.length;
    this.#options.onSizeChange(-bytes);
    if (entry) this.#options.journal()?.forget(entry);
  }
}
