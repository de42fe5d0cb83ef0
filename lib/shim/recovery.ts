import type { RequestId } from "../wire/rpc.ts";
import { type Entry, isRequest, type RequestEntry } from "./ledger.ts";

/**
 * What becomes of a message after a cut: `send` it again, `keep` waiting for its answer, `drop` it, or give it up as
 * `undelivered` or, when nobody knows whether it has run, as `unknown`.
 */
export type Fate = "send" | "keep" | "drop" | "undelivered" | "unknown";

/** Requests that may be made twice: they read, or they set what they have set before. */
const REPEATABLE_METHODS = new Set([
  "initialize",
  "ping",
  "completion/complete",
  "logging/setLevel",
  "prompts/get",
  "prompts/list",
  "resources/list",
  "resources/read",
  "resources/subscribe",
  "resources/templates/list",
  "resources/unsubscribe",
  "tasks/get",
  "tasks/list",
  "tasks/result",
  "tools/list",
]);

const REPEATABLE_NOTIFICATIONS = new Set([
  "notifications/cancelled",
  "notifications/initialized",
  "notifications/roots/list_changed",
]);

/** How often one request is sent: one that ends every daemon it reaches must not end them all. */
const MAX_SENDS = 3;
/** As above, for one that the daemon says never arrived: something on the way may not let it pass. */
const MAX_UNSEEN_SENDS = 50;

/** After the daemon has taken its own session up again; `unseen` are the requests that never reached it. */
export function afterResume(entry: Entry | RequestEntry, unseen: ReadonlySet<RequestId>): Fate {
  if (!entry.sent) return "send";
  if (isRequest(entry)) {
    if (!unseen.has(entry.id)) return "keep";
    return entry.sends < MAX_UNSEEN_SENDS ? "send" : "undelivered";
  }
  if (entry.kind === "response") return "send";
  return REPEATABLE_NOTIFICATIONS.has(entry.method!) ? "send" : "drop";
}

/** After a daemon was reached that has not met the client; `replayed`: the client was introduced to it. */
export function afterRestart(
  entry: Entry | RequestEntry,
  facts: { replayed: boolean; isSafeToRepeat(request: RequestEntry): boolean },
): Fate {
  if (isRequest(entry)) {
    if (!entry.sent) return "send";
    return entry.sends < MAX_SENDS && facts.isSafeToRepeat(entry) ? "send" : "unknown";
  }
  // What was asked, or cancelled, was so by or at the daemon that is gone.
  if (entry.kind === "response" || entry.method === "notifications/cancelled") return "drop";
  if (entry.method === "notifications/initialized") return facts.replayed ? "drop" : "send";
  return entry.sent ? "drop" : "send";
}

/** Whether `method` changes nothing that matters when it is done twice. */
export function isRepeatable(method: string): boolean {
  return REPEATABLE_METHODS.has(method);
}
