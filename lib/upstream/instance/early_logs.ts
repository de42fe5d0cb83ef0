import type { RpcNotification, RpcRequest } from "../../wire/rpc.ts";

/** What is held of one server; beyond that it goes where it goes without a window: to the log file. */
const MAX_MESSAGES = 100;
const MAX_CHARS = 256 * 1024;

/**
 * What a server logs before the first session is attached to it, such as along with its answer to `initialize`: held
 * until then, when it can be told whose it is. Nothing else waits; a question must be answered.
 */
export class EarlyLogBuffer {
  readonly #deliver: (message: RpcNotification) => void;
  #held: RpcNotification[] | undefined = [];
  #chars = 0;

  constructor(deliver: (message: RpcNotification) => void) {
    this.#deliver = deliver;
  }

  /** Whether no session has been attached yet. */
  get isHolding(): boolean {
    return this.#held !== undefined;
  }

  /** Takes `message` if it is to be held. */
  hold(message: RpcNotification | RpcRequest): boolean {
    if (!this.#held || "id" in message || message.method !== "notifications/message") return false;
    const chars = JSON.stringify(message).length;
    if (this.#held.length >= MAX_MESSAGES || this.#chars + chars > MAX_CHARS) return false;
    this.#chars += chars;
    this.#held.push(message);
    return true;
  }

  /** Sessions are attached, or never will be: everything held is delivered, in order, and nothing is held any more. */
  release(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const message of held ?? []) this.#deliver(message);
  }
}
