import { getLogger } from "@logtape/logtape";
import { type ExaiError, messageOf } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { notifyUpdated, uriFor } from "../call/scoped_uris.ts";
import type { Caller } from "../call/call.ts";
import type { Instance } from "./instance/instance.ts";
import type { Slot } from "./slot.ts";

const log = getLogger(["exai", "upstream"]);

/** Delay between attempts to get an instance for a session with subscriptions. */
const FIRST_DELAY_MS = SECOND_MS / 4;
const MAX_DELAY_MS = 30 * SECOND_MS;

/** What one server holds for one session. */
export interface SessionLease {
  readonly caller: Caller;
  /** Name of the server. */
  readonly server: string;
  /** The slot it is attached to; undefined until it needs one. */
  slot: Promise<Slot> | undefined;
  /** The same, once it is known. */
  attached: Slot | undefined;
  /** Why it has its own process; undefined: it shares one. */
  isolationReason: string | undefined;
  /** Resources it is subscribed to, on any instance. */
  readonly subscriptions: Set<string>;
  /** Aborted when the session has ended. */
  readonly ended: AbortController;
  isRestoring: boolean;
  /** Whether it needs an instance only to hear unsolicited messages of the server. */
  wantsStream: boolean;
  /** Aborted to make the next attempt at once. */
  retry: AbortController | undefined;
}

/** The lease of a session that has no slot of `server` yet. */
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

/** Ends the subscription of a session to `uri` and notifies its client: what the client has read may be out of date. */
export function loseSubscription(
  { caller, server, subscriptions }: SessionLease,
  uri: string,
  why: string,
): void {
  subscriptions.delete(uri);
  log.warning("{server}: the subscription of a window to {uri} is lost: {why}", { server, uri, why });
  const data = `server "${server}": the subscription to ${uri} is lost: ${why}`;
  caller.subscriptionLost?.(uriFor(caller, server, uri));
  caller.notify("notifications/message", { level: "warning", logger: "exai", data });
  notifyUpdated(caller, server, { uri });
}

/** Subscribes a session again on a new instance, and notifies it of updates it may have missed. */
export async function subscribeAgain(lease: SessionLease, instance: Instance): Promise<void> {
  const { caller, server, subscriptions } = lease;
  await Promise.all(Array.from(subscriptions, async (uri) => {
    try {
      const { error } = await instance.resubscribe(caller, uri);
      if (error) throw new Error(error.message);
      // It may have unsubscribed meanwhile.
      if (subscriptions.has(uri)) notifyUpdated(caller, server, { uri });
    } catch (thrown) {
      // The next instance is asked instead.
      if (!instance.alive || !subscriptions.has(uri)) return;
      loseSubscription(lease, uri, `${messageOf(thrown)}; subscribe again`);
    }
  }));
}

/**
 * Delay before the next attempt, in milliseconds. A failure of the server brings its own back-off in `retryAfterMs`; one
 * that is not the server's does not count there, so it backs off exponentially here.
 */
export function retryDelayMs(error: ExaiError | undefined, failures: number): number {
  const isCounted = error?.code !== "OVER_CAPACITY" && error?.code !== "LOGIN_REQUIRED" &&
    error?.details?.fault !== "caller";
  const growing = isCounted ? FIRST_DELAY_MS * failures : FIRST_DELAY_MS * 2 ** failures;
  const leastMs = Math.min(growing, isCounted ? SECOND_MS : MAX_DELAY_MS);
  return Math.max(leastMs, error?.retryAfterMs ?? 0);
}
