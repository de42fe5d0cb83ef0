import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import type { RequestId } from "../wire/rpc.ts";

/** JSON-RPC: the text of a message could not be parsed. */
const PARSE_ERROR = -32700;

/** What a server says of a message may come so long after its answer to a later request. */
const SETTLE_MS = 2 * SECOND_MS;

/** The last message of its kind that gets no answer. */
interface UnansweredRequest {
  atMs: number;
  /** Whether a request sent after it has been answered: the server has read it. */
  isRead: boolean;
  /** The id of the last request before it. */
  after: number;
}

/**
 * Tells whether an error whose id is null can be about a request that waits. Some servers send one for a notification
 * they do not know, and all do for a message they cannot read, which may be one that was withdrawn: it would end the
 * call of another window.
 */
export class NamelessErrors {
  #lastId = 0;
  #any: UnansweredRequest | undefined;
  /** The last with anything of a client in it, as a withdrawn request has. */
  #foreign: UnansweredRequest | undefined;

  /** The request `id` is sent; our ids only grow. */
  asked(id: RequestId): void {
    if (typeof id === "number") this.#lastId = id;
  }

  /** `isPlain`: nothing of a client is in it, so that any server can parse it. */
  unanswered({ isPlain }: { isPlain: boolean }): void {
    this.#any = { atMs: monotonicNow(), isRead: false, after: this.#lastId };
    if (!isPlain) this.#foreign = this.#any;
  }

  answered(id: RequestId): void {
    if (typeof id !== "number") return;
    for (const it of [this.#any, this.#foreign]) if (it && id > it.after) it.isRead = true;
  }

  /** Whether nothing else was sent that an error with this code may be about. */
  isAboutRequest(code: number): boolean {
    const other = code === PARSE_ERROR ? this.#foreign : this.#any;
    return other === undefined || other.isRead && monotonicNow() - other.atMs > SETTLE_MS;
  }
}
