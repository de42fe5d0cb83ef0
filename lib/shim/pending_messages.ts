import type { Line } from "../transport/line.ts";
import type { RequestId } from "../wire/rpc.ts";

/** A message of the client that the daemon has not acknowledged. */
export interface PendingMessage {
  readonly kind: "request" | "notification" | "response";
  readonly method?: string;
  /** The text as the client wrote it. */
  readonly text: string;
  readonly bytes: number;
  /** The message in UTF-8, where it was not read (`Utf8Line`). */
  readonly utf8?: Uint8Array<ArrayBuffer>;
  /** Whether it was sent on some connection, and so may have been received. */
  isSent: boolean;
  /** Its number among the messages sent in the session, when it was last sent. */
  sequence?: number;
}

/** A request the client waits for. */
export interface PendingRequest extends PendingMessage {
  readonly kind: "request";
  readonly id: RequestId;
  readonly method: string;
  /** How often it was sent; a listen is sent to each daemon, and not counted. */
  sends: number;
  /** Whether it is answered only when a daemon stops; set once the client knows what it is told. */
  listen?: { isAcknowledged: boolean };
  /** Bounds the wait for a daemon. */
  daemonTimer?: Disposable;
  /** Bounds the wait for the response (`EXAI_SHIM_RPC_TIMEOUT`). */
  responseTimer?: ReturnType<typeof setTimeout>;
}

/**
 * The client's messages, in order, until the daemon has them: requests until they are answered, others until they are
 * acknowledged or the response to a later request shows that they have arrived.
 */
export class PendingMessages {
  // Iterates in insertion order.
  readonly #entries = new Set<PendingMessage | PendingRequest>();
  readonly #requests = new Map<RequestId, PendingRequest>();
  readonly #listens = new Set<PendingRequest>();
  #requestBytes = 0;
  #otherBytes = 0;

  /** Bytes of the pending requests, in UTF-8. */
  get requestBytes(): number {
    return this.#requestBytes;
  }

  /** Bytes of the other pending messages. */
  get otherBytes(): number {
    return this.#otherBytes;
  }

  /** Requests that are answered when their work is done: all but listens. */
  get requestCount(): number {
    return this.#requests.size - this.#listens.size;
  }

  /** Whether the client waits for a daemon to say something. */
  get isWaiting(): boolean {
    return this.requestCount > 0 || this.#listens.values().some(({ listen }) => !listen!.isAcknowledged);
  }

  listens(): IterableIterator<PendingRequest> {
    return this.#listens.values();
  }

  /** The pending request `id`. */
  get(id: RequestId): PendingRequest | undefined {
    return this.#requests.get(id);
  }

  has(id: RequestId): boolean {
    return this.#requests.has(id);
  }

  requests(): IterableIterator<PendingRequest> {
    return this.#requests.values();
  }

  /** All messages, oldest first; entries may be removed during iteration. */
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
    if (entry.listen) this.#listens.add(entry);
    this.#requestBytes += entry.bytes;
  }

  /** Removes `entry` and stops its timers; false when it was not pending. */
  remove(entry: PendingMessage | PendingRequest): boolean {
    if (!this.#entries.delete(entry)) return false;
    if (!isRequest(entry)) {
      this.#otherBytes -= entry.bytes;
      return true;
    }
    this.#requests.delete(entry.id);
    this.#listens.delete(entry);
    this.#requestBytes -= entry.bytes;
    entry.daemonTimer?.[Symbol.dispose]();
    clearTimeout(entry.responseTimer);
    return true;
  }

  /** Removes and returns the request `id`; undefined when it is not pending. */
  take(id: RequestId): PendingRequest | undefined {
    const entry = this.#requests.get(id);
    if (entry) this.remove(entry);
    return entry;
  }

  /** As {@linkcode take} for an answered request: messages sent before it must have arrived, as frames keep their order. */
  answer(id: RequestId): PendingRequest | undefined {
    const entry = this.#requests.get(id);
    if (!entry) return undefined;
    if (this.#entries.size > this.#requests.size) this.#removeSentBefore(entry);
    this.remove(entry);
    return entry;
  }

  /** The first `count` messages of the session have arrived: those that are not requests are removed. */
  acknowledge(count: number): void {
    for (const entry of this.#entries) {
      if (!isRequest(entry) && entry.isSent && (entry.sequence ?? Infinity) <= count) this.remove(entry);
    }
  }

  #removeSentBefore(request: PendingRequest): void {
    for (const entry of this.#entries) {
      if (entry === request) return;
      if (!isRequest(entry) && entry.isSent) this.remove(entry);
    }
  }
}

/** The request for notifications, which its answer ends (MCP basic/patterns/subscriptions). */
const LISTEN = "subscriptions/listen";

/** A request that was not sent yet. */
export function pendingRequest(id: RequestId, method: string, line: Line): PendingRequest {
  const { bytes, utf8 } = line;
  const text = utf8 ? "" : line.text;
  const entry: PendingRequest = { kind: "request", id, method, text, bytes, utf8, isSent: false, sends: 0 };
  if (method === LISTEN) entry.listen = { isAcknowledged: false };
  // An object with a getter costs more than all else here.
  return utf8 ? Object.defineProperty(entry, "text", { get: () => line.text }) : entry;
}

export function isRequest(entry: PendingMessage | PendingRequest): entry is PendingRequest {
  return entry.kind === "request";
}
