import { paramsOf } from "../wire/raw_edits.ts";
import { memberOf } from "../wire/raw_object.ts";
import type { RpcMessage } from "../wire/rpc.ts";

/** Kinds of messages that are remembered; beyond that the oldest is forgotten. */
const MAX_KINDS = 256;

/**
 * Messages that servers have refused as if the session were lost, although they answer others on it. The message is
 * sent again on the next session: if it is refused there too, the refusal is about what it asks for, such as a document
 * that does not exist, and no other session is made for it.
 */
export class MessageRefusals {
  /** By kind of message: the connection it was refused on first, or that the refusal is about the message. */
  readonly #known = new Map<string, WeakKey | "message">();

  /** Whether a refusal on `connection` is about the message, and not about the session. */
  isAboutMessage(kind: string, connection: WeakKey): boolean {
    const before = this.#known.get(kind);
    if (before === "message") return true;
    const isAboutMessage = before !== undefined && before !== connection;
    this.#known.delete(kind);
    this.#known.set(kind, isAboutMessage ? "message" : connection);
    if (this.#known.size > MAX_KINDS) this.#known.delete(this.#known.keys().next().value!);
    return isAboutMessage;
  }

  /** Notes that the server accepted `message`: an earlier refusal was about the session. */
  accepted(message: RpcMessage, url: string): void {
    if (this.#known.size === 0) return;
    const kind = messageKind(url, message);
    if (this.#known.get(kind) !== "message") this.#known.delete(kind);
  }
}

/** What messages that are refused alike have in common: the server, the method and the name or URI in the parameters. */
export function messageKind(url: string, message: RpcMessage): string {
  if (!("method" in message)) return JSON.stringify([url]);
  const params = paramsOf(message) ?? {};
  const about = memberOf(params, "name") ?? memberOf(params, "uri") ?? null;
  return JSON.stringify([url, message.method, about]);
}
