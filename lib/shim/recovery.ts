import type { RequestId } from "../wire/rpc.ts";
import { isRequest, type PendingMessage, type PendingRequest } from "./pending_messages.ts";

/**
 * What becomes of a message after a cut: `send` it again, `keep` waiting for its answer, `drop` it, or give it up as
 * `undelivered` or, when nobody knows whether it has run, as `unknown`.
 */
export type RecoveryAction = "send" | "keep" | "drop" | "undelivered" | "unknown";

const REPEATABLE_NOTIFICATIONS = new Set([
  "notifications/cancelled",
  "notifications/initialized",
  "notifications/roots/list_changed",
]);

/** How often one request is sent: one that ends every daemon it reaches must not end them all. */
const MAX_SENDS = 3;
/** As above, for one that the daemon says never arrived: something on the way may not let it pass. */
const MAX_UNSEEN_SENDS = 50;
/** As above, for one that had not begun when each of its daemons ended. */
const MAX_UNBEGUN_SENDS = 10;

/**
 * After the daemon has taken its own session up again; `unseen` are the requests that never reached it. `knowsArrivals`:
 * what else has arrived is not kept any more.
 */
export function afterResume(
  entry: PendingMessage | PendingRequest,
  { unseen, knowsArrivals }: { unseen: ReadonlySet<RequestId>; knowsArrivals: boolean },
): RecoveryAction {
  if (!entry.sent) return "send";
  if (isRequest(entry)) {
    if (!unseen.has(entry.id)) return "keep";
    return entry.sends < MAX_UNSEEN_SENDS ? "send" : "undelivered";
  }
  if (entry.kind === "response" || knowsArrivals) return "send";
  return REPEATABLE_NOTIFICATIONS.has(entry.method!) ? "send" : "drop";
}

/**
 * What becomes of a request that an earlier daemon may have had. `recovered` is what the journal of the next one says of
 * them; undefined when it knows nothing of our session.
 */
export function atRestart(
  entry: PendingRequest,
  facts: { recovered: JournalFindings | undefined; isSafeToRepeat(request: PendingRequest): boolean },
): RecoveryAction {
  if (!entry.sent) return "send";
  const { recovered } = facts;
  const mayRepeat = () => facts.isSafeToRepeat(entry) && entry.sends < MAX_SENDS;
  if (recovered === undefined || recovered.unknown.has(entry.id)) return mayRepeat() ? "send" : "unknown";
  if (!recovered.unseen.has(entry.id)) return "keep";
  // The journal does not hold what may be repeated, so such a request may have begun, and ended its daemon.
  if (facts.isSafeToRepeat(entry)) return entry.sends < MAX_SENDS ? "send" : "unknown";
  return entry.sends < MAX_UNBEGUN_SENDS ? "send" : "undelivered";
}

/** What the daemon says of requests whose session is older than it (docs/protocol.md). */
export interface JournalFindings {
  unseen: ReadonlySet<RequestId>;
  unknown: ReadonlySet<RequestId>;
}

/** When the next daemon has met the client, after {@linkcode atRestart}; `replayed`: it was introduced by us. */
export function afterRestart(
  entry: PendingMessage | PendingRequest,
  facts: { replayed: boolean },
): RecoveryAction {
  if (isRequest(entry)) return entry.sent ? "keep" : "send";
  // What was asked, or cancelled, was so by or at the daemon that is gone.
  if (entry.kind === "response" || entry.method === "notifications/cancelled") return "drop";
  if (entry.method === "notifications/initialized") return facts.replayed ? "drop" : "send";
  return entry.sent ? "drop" : "send";
}
