import type { RequestId } from "../wire/rpc.ts";

/** A message of the client that may still be needed. */
export interface PendingMessage {
  readonly kind: "request" | "notification" | "response";
  readonly method?: string;
  /** The text as the client wrote it. */
  readonly text: string;
  readonly bytes: number;
  /** Whether it has gone out on some connection; it may have been received then. */
  sent: boolean;
  /** Which of the session's messages it was; of what is no request. */
  sequence?: number;
}

/** A request the client waits on. */
export interface PendingRequest extends PendingMessage {
  readonly kind: "request";
  readonly id: RequestId;
  readonly method: string;
  /** How often it has gone out. */
  sends: number;
  /** Runs out when the request has waited long enough for a daemon. */
  daemonTimer?: Disposable;
  /** Runs out when the request has waited long enough for its answer (`EXAI_SHIM_RPC_TIMEOUT`). */
  responseTimer?: ReturnType<typeof setTimeout>;
}

/**
 * What the client has said and the daemon has not confirmed, in order: requests until they are answered, other
 * messages until the answer to a later request shows that they arrived.
 */
export class PendingMessages {
  // A set keeps the order in which it was filled.
  readonly #entries = new Set<PendingMessage | PendingRequest>();
  readonly #requests = new Map<RequestId, PendingRequest>();
  #requestBytes = 0;
  #otherBytes = 0;

  /** Size of the requests kept, in UTF-8. */
  get requestBytes(): number {
    return this.#requestBytes;
  }

  /** Size of what is kept and is no request. */
  get otherBytes(): number {
    return this.#otherBytes;
  }

  get requestCount(): number {
    return this.#requests.size;
  }

  /** The request `id`, if somebody waits for it. */
  get(id: RequestId): PendingRequest | undefined {
    return this.#requests.get(id);
  }

  has(id: RequestId): boolean {
    return this.#requests.has(id);
  }

  requests(): IterableIterator<PendingRequest> {
    return this.#requests.values();
  }

  /** Everything kept, oldest first; entries may be removed while walking. */
  [Symbol.iterator](): IterableIterator<PendingMessage | PendingRequest> {
    return this.#entries.values();
  }

  add(entry: PendingMessage | PendingRequest): void {
    this.#entries.add(entry);
    if (!isRequest(entry)) {
      this.#otherBytes += entry.bytes;
      return;
    }
    this.#requests.set(entry.id, entry);
    this.#requestBytes += entry.bytes;
  }

  /** Forgets `entry` and its timers; false when it was gone already. */
  remove(entry: PendingMessage | PendingRequest): boolean {
    if (!this.#entries.delete(entry)) return false;
    if (!isRequest(entry)) {
      this.#otherBytes -= entry.bytes;
      return true;
    }
    this.#requests.delete(entry.id);
    this.#requestBytes -= entry.bytes;
    entry.daemonTimer?.[Symbol.dispose]();
    clearTimeout(entry.responseTimer);
    return true;
  }

  /** Takes out the request `id`, which is settled one way or another; undefined when nobody waits for it. */
  take(id: RequestId): PendingRequest | undefined {
    const entry = this.#requests.get(id);
    if (entry) this.remove(entry);
    return entry;
  }

  /** Takes out the request `id` as answered. What was said before it must have arrived, for frames keep their order. */
  answer(id: RequestId): PendingRequest | undefined {
    const entry = this.#requests.get(id);
    if (!entry) return undefined;
    if (this.#entries.size > this.#requests.size) this.#confirmBefore(entry);
    this.remove(entry);
    return entry;
  }

  /** The first `count` messages of the session have arrived: what is no request need not be kept any more. */
  acknowledge(count: number): void {
    for (const entry of this.#entries) {
      if (!isRequest(entry) && entry.sent && (entry.sequence ?? Infinity) <= count) this.remove(entry);
    }
  }

  #confirmBefore(request: PendingRequest): void {
    for (const entry of this.#entries) {
      if (entry === request) return;
      if (!isRequest(entry) && entry.sent) this.remove(entry);
    }
  }
}

/** Whether `entry` is a request. */
export function isRequest(entry: PendingMessage | PendingRequest): entry is PendingRequest {
  return entry.kind === "request";
}
