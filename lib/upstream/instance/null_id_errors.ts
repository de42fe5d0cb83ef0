import { monotonicNow } from "../../base/time.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { RequestId } from "../../wire/rpc.ts";

/** JSON-RPC 2.0, 5.1: the message could not be parsed. */
const PARSE_ERROR = -32700;

/** How long after its answer to a later request a server may still report an error about a message. */
const SETTLE_MS = 2 * SECOND_MS;

/** The last message of its kind that has no answer: a notification, a response or a withdrawn request. */
interface UnansweredMessage {
  atMs: number;
  /** Whether the server has read it, as it has answered a later request. */
  isRead: boolean;
  /** The id of the last request sent before it. */
  afterId: number;
}

/**
 * Decides whether an error with id null can only be about a request in flight. Servers also send such errors for
 * notifications they do not know and for messages they cannot parse, which may be withdrawn requests: the call of
 * another session must not fail because of those.
 */
export class NullIdErrors {
  #lastSentId = 0;
  #last: UnansweredMessage | undefined;
  /** The last one with content of a client, which a server may fail to parse. */
  #clientContent: UnansweredMessage | undefined;

  /** The request `id` was sent; ids only increase. */
  requestSent(id: RequestId): void {
    if (typeof id === "number") this.#lastSentId = id;
  }

  /** A message without an answer was sent; `isPlain`: it has no content of a client, so any server can parse it. */
  unansweredSent({ isPlain }: { isPlain: boolean }): void {
    this.#last = { atMs: monotonicNow(), isRead: false, afterId: this.#lastSentId };
    if (!isPlain) this.#clientContent = this.#last;
  }

  requestAnswered(id: RequestId): void {
    if (typeof id !== "number") return;
    for (const it of [this.#last, this.#clientContent]) if (it && id > it.afterId) it.isRead = true;
  }

  /** Whether an error with this code can be about no other message. */
  isAboutRequest(code: number): boolean {
    const other = code === PARSE_ERROR ? this.#clientContent : this.#last;
    return other === undefined || other.isRead && monotonicNow() - other.atMs > SETTLE_MS;
  }
}
