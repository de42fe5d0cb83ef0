import { KIB } from "../base/units.ts";
import type { OpReply } from "../wire/ops.ts";

/** Characters received after which the client is sent the next receipt. */
const RECEIPT_INTERVAL_CHARS = 256 * KIB;

/**
 * Counts the MCP messages received in a session and reports the count to a client that asked for receipts. The count
 * spans connections: a client whose connection was cut may not know that there was one.
 */
export class InboundReceipts {
  readonly #session: { receivedCount: number };
  readonly #send: (text: string) => void;
  #unreportedChars = 0;

  constructor(session: { receivedCount: number }, send: (text: string) => void) {
    this.#session = session;
    this.#send = send;
  }

  count(chars: number): void {
    this.#session.receivedCount++;
    this.#unreportedChars += chars;
    if (this.#unreportedChars < RECEIPT_INTERVAL_CHARS) return;
    this.#unreportedChars = 0;
    this.#send(JSON.stringify({ op: "received", messages: this.#session.receivedCount } satisfies OpReply));
  }
}
