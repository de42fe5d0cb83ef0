import type { ExaiError } from "../base/errors.ts";
import { heapBytes } from "../base/heap_bytes.ts";

/** A message to the client that answers nothing: a notification or a question. */
interface OutboundMessage {
  /** Its number in this session, from 1; those kept follow one another without a gap. */
  number: number;
  text: string;
  bytes: number;
  onlost?: OnLost;
}

/** Told when a message was never seen by the client and will not be. */
export type OnLost = (error: ExaiError) => void;

/** What a connection begins with. */
interface Resumed {
  texts: string[];
  /** Messages that had to make room and never reached the client. */
  lost: OnLost[];
}

interface OutboundLimits {
  maxMessages: number;
  maxChars: number;
  /** Told how many bytes more, or fewer below zero, are held. */
  onmove(bytes: number): void;
}

const NOBODY: OnLost = () => {};
/** Of messages that made room, so many are remembered in case the client turns out never to have had them. */
const MAX_REMEMBERED = 1000;

/**
 * Messages of one session that answer nothing, kept in their order until the client has confirmed them or, if it
 * confirms none, until they are sent. The oldest make room for the newest.
 */
export class OutboundMessages {
  readonly #limits: OutboundLimits;
  readonly #kept: OutboundMessage[] = [];
  #chars = 0;
  /** Number of the newest message. */
  #newest = 0;
  /** Those that had to make room, of which the client may have had some. */
  #dropped: { number: number; onlost: OnLost }[] = [];

  constructor(limits: OutboundLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#kept.length;
  }

  /** Number of the message before the first one kept. */
  get base(): number {
    return this.#newest - this.#kept.length;
  }

  keep(text: string, onlost?: OnLost): void {
    const bytes = heapBytes(text);
    this.#kept.push({ number: ++this.#newest, text, bytes, onlost });
    this.#chars += text.length;
    const { maxMessages, maxChars, onmove } = this.#limits;
    while (this.#kept.length > 1 && (this.#kept.length > maxMessages || this.#chars > maxChars)) {
      this.dropOldest();
    }
    onmove(bytes);
  }

  /** The client has the first `count` messages of the session. */
  confirm(count: number): void {
    while (this.#kept.length > 0 && this.#kept[0]!.number <= count) this.#take();
    if (this.#dropped.length > 0) this.#dropped = this.#dropped.filter(({ number }) => number > count);
  }

  dropOldest(): void {
    const { number, onlost = NOBODY } = this.#take();
    this.#dropped.push({ number, onlost });
    if (this.#dropped.length > MAX_REMEMBERED) this.#dropped.shift();
  }

  /** The client is there anew and has had the first `count` messages; it is sent the rest. */
  resume(count: number): Resumed {
    this.confirm(count);
    const lost = this.#dropped.map(({ onlost }) => onlost);
    this.#dropped = [];
    return { texts: this.#kept.map(({ text }) => text), lost };
  }

  clear(): void {
    while (this.#kept.length > 0) this.#take();
    this.#dropped = [];
  }

  #take(): OutboundMessage {
    const post = this.#kept.shift()!;
    this.#chars -= post.text.length;
    this.#limits.onmove(-post.bytes);
    return post;
  }
}
