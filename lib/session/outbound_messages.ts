import type { ExaiError } from "../base/errors.ts";
import { heapBytes } from "../base/heap_bytes.ts";

/** A request or notification to the client. */
interface OutboundMessage {
  /** Sequence number in the session, from 1; the kept messages are consecutive. */
  number: number;
  text: string;
  bytes: number;
  onUndelivered?: OnUndelivered;
}

/** Called when a message never reached the client and will not be sent again. */
export type OnUndelivered = (error: ExaiError) => void;

interface Resumed {
  /** Texts to send again. */
  pending: string[];
  /** Callbacks of messages that were evicted and never reached the client. */
  undelivered: OnUndelivered[];
}

interface OutboundLimits {
  maxMessages: number;
  /** In UTF-16 code units, all messages together. */
  maxChars: number;
  /** Called with the change of the bytes held, negative when fewer. */
  onSizeChange(bytes: number): void;
}

const NOOP: OnUndelivered = () => {};
/** Evicted messages remembered, in case the client turns out not to have received them. */
const MAX_EVICTED = 1000;

/**
 * Requests and notifications to one client, kept in order until it acknowledges them by number or, if it sends no
 * acknowledgements, until they are sent. Beyond the limits the oldest are evicted.
 */
export class OutboundMessages {
  readonly #limits: OutboundLimits;
  readonly #kept: OutboundMessage[] = [];
  #chars = 0;
  /** Number of the newest message. */
  #newest = 0;
  #dropped: { number: number; onUndelivered: OnUndelivered }[] = [];

  constructor(limits: OutboundLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#kept.length;
  }

  /** Number of the message before the first kept one. */
  get base(): number {
    return this.#newest - this.#kept.length;
  }

  add(text: string, onUndelivered?: OnUndelivered): void {
    const bytes = heapBytes(text);
    this.#kept.push({ number: ++this.#newest, text, bytes, onUndelivered });
    this.#chars += text.length;
    const { maxMessages, maxChars, onSizeChange } = this.#limits;
    while (this.#kept.length > 1 && (this.#kept.length > maxMessages || this.#chars > maxChars)) {
      this.evictOldest();
    }
    onSizeChange(bytes);
  }

  /** The client has received the messages up to number `count`. */
  acknowledge(count: number): void {
    while (this.#kept.length > 0 && this.#kept[0]!.number <= count) this.#shift();
    if (this.#dropped.length > 0) this.#dropped = this.#dropped.filter(({ number }) => number > count);
  }

  evictOldest(): void {
    const { number, onUndelivered = NOOP } = this.#shift();
    this.#dropped.push({ number, onUndelivered });
    if (this.#dropped.length > MAX_EVICTED) this.#dropped.shift();
  }

  /** The client has reconnected and received the messages up to number `count`. */
  resume(count: number): Resumed {
    this.acknowledge(count);
    const undelivered = this.#dropped.map(({ onUndelivered }) => onUndelivered);
    this.#dropped = [];
    return { pending: this.#kept.map(({ text }) => text), undelivered };
  }

  clear(): void {
    while (this.#kept.length > 0) this.#shift();
    this.#dropped = [];
  }

  #shift(): OutboundMessage {
    const message = this.#kept.shift()!;
    this.#chars -= message.text.length;
    this.#limits.onSizeChange(-message.bytes);
    return message;
  }
}
