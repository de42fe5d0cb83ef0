import { KIB } from "../base/units.ts";
import type { OpReply } from "../wire/ops.ts";

/** A client is told when it has sent so much more. */
const TELL_CHARS = 256 * KIB;

/** Tells a client that asked for it how many of its MCP messages have arrived on this connection. */
export class InboundReceipts {
  readonly #send: (text: string) => void;
  /** Messages that have arrived on this connection. */
  messages = 0;
  #untoldChars = 0;

  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  count(chars: number): void {
    this.messages++;
    this.#untoldChars += chars;
    if (this.#untoldChars < TELL_CHARS) return;
    this.#untoldChars = 0;
    this.#send(JSON.stringify({ op: "received", messages: this.messages } satisfies OpReply));
  }
}
