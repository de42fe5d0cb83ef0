import type { RequestId } from "../wire/rpc.ts";
import { isRequest, type PendingMessage, type PendingRequest } from "./pending_messages.ts";

/**
 * What to do with a message after a cut: `send` it again, `keep` waiting for its response, `drop` it, or fail it as
 * `undelivered`, as `unknown`, when it may or may not have run, or as `repeated`, when it was sent often enough.
 */
export type RecoveryAction = "send" | "keep" | "drop" | "undelivered" | "unknown" | "repeated";

const REPEATABLE_NOTIFICATIONS = new Set([
  "notifications/cancelled",
  "notifications/initialized",
  "notifications/roots/list_changed",
]);

/** Sends of one request that each daemon may have begun: the request itself may crash it. */
const MAX_SENDS = 3;
/** Sends of one request that never arrived: something on the way may not let it pass. */
const MAX_UNSEEN_SENDS = 50;
/** Sends of one request that no daemon had begun when it ended. */
const MAX_UNBEGUN_SENDS = 10;

/**
 * The action after the same daemon has resumed the session.
 *
 * @param facts `unseen`: the requests that never arrived; `knowsArrivals`: other messages that have arrived were
 * acknowledged and are not pending any more
 */
export function afterResume(
  entry: PendingMessage | PendingRequest,
  { unseen, knowsArrivals }: { unseen: ReadonlySet<RequestId>; knowsArrivals: boolean },
): RecoveryAction {
  if (!entry.isSent) return "send";
  if (isRequest(entry)) {
    if (!unseen.has(entry.id)) return "keep";
    return entry.sends < MAX_UNSEEN_SENDS ? "send" : "undelivered";
  }
  if (entry.kind === "response" || knowsArrivals) return "send";
  return REPEATABLE_NOTIFICATIONS.has(entry.method!) ? "send" : "drop";
}

/**
 * The action for a request an earlier daemon may have received.
 *
 * @param facts `recovered`: what the journal knows of our requests; undefined when it does not know the session
 */
export function atRestart(
  entry: PendingRequest,
  facts: { recovered: JournalFindings | undefined; isSafeToRepeat(request: PendingRequest): boolean },
): RecoveryAction {
  if (!entry.isSent) return "send";
  const { unseen, unknown } = facts.recovered ?? {};
  const isUnknown = !unseen || unknown?.has(entry.id);
  if (!isUnknown && !unseen.has(entry.id)) return "keep";
  // The journal leaves out repeatable requests, so also one that it has not seen may have begun and crashed its daemon.
  if (facts.isSafeToRepeat(entry)) return entry.sends < MAX_SENDS ? "send" : "repeated";
  if (isUnknown) return "unknown";
  return entry.sends < MAX_UNBEGUN_SENDS ? "send" : "undelivered";
}

/** What the daemon says of the requests of a session it has recovered (docs/protocol.md). */
export interface JournalFindings {
  unseen: ReadonlySet<RequestId>;
  unknown: ReadonlySet<RequestId>;
}

/** The action once a new daemon has initialized, after {@linkcode atRestart}; `replayed`: the shim initialized it. */
export function afterRestart(
  entry: PendingMessage | PendingRequest,
  facts: { replayed: boolean },
): RecoveryAction {
  if (isRequest(entry)) return entry.isSent ? "keep" : "send";
  // Both refer to requests of the daemon that has ended.
  if (entry.kind === "response" || entry.method === "notifications/cancelled") return "drop";
  if (entry.method === "notifications/initialized") return facts.replayed ? "drop" : "send";
  return entry.isSent ? "drop" : "send";
}
