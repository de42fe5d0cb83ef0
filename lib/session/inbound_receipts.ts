import { KIB } from "../base/units.ts";
import type { OpReply } from "../wire/ops.ts";

/** A client is told when it has sent so much more. */
const TELL_CHARS = 256 * KIB;

/**
 * Tells a client that asked for it how many of its MCP messages have arrived in its session. They are not counted by
 * connection: a client whose connection was cut may not have heard that there was one.
 */
export class InboundReceipts {
  readonly #session: { receivedCount: number };
  readonly #send: (text: string) => void;
  #untoldChars = 0;

  constructor(session: { receivedCount: number }, send: (text: string) => void) {
    this.#session = session;
    this.#send = send;
  }

  count(chars: number): void {
    this.#session.receivedCount++;
    this.#untoldChars += chars;
    if (this.#untoldChars < TELL_CHARS) return;
    this.#untoldChars = 0;
    this.#send(JSON.stringify({ op: "received", messages: this.#session.receivedCount } satisfies OpReply));
  }
}
