import type { RpcMessage } from "../wire/rpc.ts";

/** Kinds of messages that are remembered; beyond that the oldest are forgotten. */
const MAX_KEPT = 256;

/**
 * Messages that servers have refused as if the session were lost, although they answer others on it. On the next session
 * the same message is sent again: one that is refused there too is refused for what it asks for, as of a document that
 * does not exist, and no other session is made for it any more.
 */
export class OwnRefusals {
  /** By kind of message: the connection it was refused on first, or that it is the message's own. */
  readonly #known = new Map<string, WeakKey | "own">();

  /** Whether the refusal is about the message, and not about the session of `connection`, on which it was refused. */
  isOwn(key: string, connection: WeakKey): boolean {
    const before = this.#known.get(key);
    if (before === "own") return true;
    const isOwn = before !== undefined && before !== connection;
    this.#known.delete(key);
    this.#known.set(key, isOwn ? "own" : connection);
    if (this.#known.size > MAX_KEPT) this.#known.delete(this.#known.keys().next().value!);
    return isOwn;
  }

  /** `message` was taken: what it was refused for before was the session. */
  taken(message: RpcMessage, url: string): void {
    if (this.#known.size === 0) return;
    const key = kindOf(url, message);
    if (this.#known.get(key) !== "own") this.#known.delete(key);
  }
}

/** What is alike in messages that are refused alike: the server, the method and what it names. */
export function kindOf(url: string, message: RpcMessage): string {
  const { method, params } = message as { method?: string; params?: Record<string, unknown> };
  return JSON.stringify([url, method, params?.name ?? params?.uri ?? null]);
}
