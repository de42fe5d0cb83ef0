import type { JsonObject } from "../base/json.ts";
import { META } from "../wire/client_claim.ts";
import { idTextOf } from "../wire/envelope.ts";
import type { Peeked } from "../wire/peek.ts";
import type { RequestId } from "../wire/rpc.ts";
import type { PendingMessages, PendingRequest } from "./pending_messages.ts";

// The client's `subscriptions/listen` requests, each of which is sent to one daemon after another.

/**
 * Whether a message of the daemon acknowledges a listen that an earlier one has acknowledged; the first is noted. A
 * client is acknowledged once (MCP basic/patterns/subscriptions).
 */
export function isAcknowledgedAgain(peeked: Peeked, pending: Pick<PendingMessages, "get">): boolean {
  if (peeked.kind !== "notification" || peeked.method !== "notifications/subscriptions/acknowledged") {
    return false;
  }
  const meta = (peeked.message.params as JsonObject | undefined)?._meta as JsonObject | undefined;
  const listen = pending.get(meta?.[META.subscription] as RequestId)?.listen;
  if (!listen || listen.isAcknowledged) return listen !== undefined;
  listen.isAcknowledged = true;
  return false;
}

/** What tells the listens that ask for it that the lists `names` have changed, as lines. */
export function toldToListens(listens: Iterable<PendingRequest>, names: ReadonlySet<string>): string[] {
  const told: string[] = [];
  for (const entry of listens) {
    if (!entry.listen?.isAcknowledged) continue;
    const meta = `{${JSON.stringify(META.subscription)}:${idTextOf(entry)}}`;
    for (const name of names) {
      if (filterOf(entry.text)[`${name}ListChanged`] !== true) continue;
      told.push(`{"jsonrpc":"2.0","method":"notifications/${name}/list_changed","params":{"_meta":${meta}}}`);
    }
  }
  return told;
}

/** What a listen that was acknowledged asks for. */
function filterOf(text: string): JsonObject {
  return JSON.parse(text).params.notifications;
}
