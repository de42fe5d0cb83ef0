import { getLogger } from "@logtape/logtape";
import type { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import type { Slot } from "./slot.ts";

const log = getLogger(["exai", "upstream"]);

/** Between two attempts to get an instance for a session that is subscribed to something. */
const FIRST_PAUSE_MS = SECOND_MS / 4;
const MAX_PAUSE_MS = 30 * SECOND_MS;

/** What one server has for one session. */
export interface SessionLease {
  readonly caller: Caller;
  /** Name of the server. */
  readonly server: string;
  /** The slot it is attached to; undefined until it needs one. */
  slot: Promise<Slot> | undefined;
  /** The same, once it is known. */
  attached: Slot | undefined;
  /** Why it goes on in a process of its own; undefined: it shares one. */
  isolationReason: string | undefined;
  /** Resources it is subscribed to, whichever instance that is with. */
  readonly subscriptions: Set<string>;
  /** Aborted when the session is over. */
  readonly ended: AbortController;
  isRestoring: boolean;
  /** Whether it is to hear what the server says of its own accord, and has no instance it could hear. */
  wantsStream: boolean;
  /** Aborted to try again now what {@linkcode Leases} is about to try again later. */
  retry: AbortController | undefined;
}

/** The tenancy of a session that has nothing yet of `server`. */
export function createSessionLease(caller: Caller, server: string): SessionLease {
  return {
    caller,
    server,
    slot: undefined,
    attached: undefined,
    isolationReason: undefined,
    subscriptions: new Set(),
    ended: new AbortController(),
    isRestoring: false,
    wantsStream: false,
    retry: undefined,
  };
}

/** A session hears no more of `uri`, and is told so; what it has of it may be out of date. */
export function loseSubscription(
  { caller, server, subscriptions }: SessionLease,
  uri: string,
  why: string,
): void {
  subscriptions.delete(uri);
  log.warning("{server}: the subscription of a window to {uri} is lost: {why}", { server, uri, why });
  const data = `server "${server}": the subscription to ${uri} is lost: ${why}`;
  caller.subscriptionLost?.(uri);
  caller.notify("notifications/message", { level: "warning", logger: "exai", data });
  caller.notify("notifications/resources/updated", { uri });
}

/**
 * How long to wait before the next attempt. A server that fails rests by itself, which its refusals say; what does not
 * count as its failure would be tried without end.
 */
export function retryDelayMs(error: ExaiError | undefined, failures: number): number {
  const isCounted = error?.code !== "OVER_CAPACITY" && error?.details?.fault !== "caller";
  const growing = isCounted ? FIRST_PAUSE_MS * failures : FIRST_PAUSE_MS * 2 ** failures;
  const leastMs = Math.min(growing, isCounted ? SECOND_MS : MAX_PAUSE_MS);
  return Math.max(leastMs, error?.retryAfterMs ?? 0);
}
