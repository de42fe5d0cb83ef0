import { suspendAwareTimeout } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Settings } from "../config/settings.ts";
import { earlyDiscover } from "./early_discover.ts";
import type { PendingRequest } from "./pending_messages.ts";

export type TimerSettings = Pick<
  Settings,
  "connectTimeoutMs" | "resumeWindowMs" | "shimRpcTimeoutMs" | "server"
>;

/** How long a daemon has for a `server/discover` that can be answered without one: most answer in less. */
const DISCOVER_WAIT_MS = SECOND_MS;

interface TimerHooks {
  /** No daemon has taken the request for `waitedMs`. */
  onDaemonTimeout(entry: PendingRequest, waitedMs: number): void;
  /** No response came within `EXAI_SHIM_RPC_TIMEOUT`. */
  onResponseTimeout(entry: PendingRequest): void;
}

/** Bounds how long requests wait for a daemon and for their responses; listens wait for the next daemon. */
export class RequestTimers {
  readonly #settings: TimerSettings;
  readonly #hooks: TimerHooks;

  constructor(settings: TimerSettings, hooks: TimerHooks) {
    this.#settings = settings;
    this.#hooks = hooks;
  }

  awaitDaemon(entry: PendingRequest): void {
    const { connectTimeoutMs, server } = this.#settings;
    // The daemon keeps the response to a request it has received for the resume window.
    if (entry.isSent) this.awaitNextDaemon(entry);
    else if (!earlyDiscover(entry, server)) this.#startDaemonTimer(entry, connectTimeoutMs);
    else this.#startDaemonTimer(entry, Math.min(connectTimeoutMs, DISCOVER_WAIT_MS));
  }

  /** Allows for the time the next daemon may take to replace this one. */
  awaitNextDaemon(entry: PendingRequest): void {
    const { connectTimeoutMs, resumeWindowMs } = this.#settings;
    this.#startDaemonTimer(entry, Math.max(connectTimeoutMs, resumeWindowMs));
  }

  stopAwaitingDaemon(entry: PendingRequest): void {
    entry.daemonTimer?.[Symbol.dispose]();
    entry.daemonTimer = undefined;
  }

  awaitResponse(entry: PendingRequest): void {
    const { shimRpcTimeoutMs } = this.#settings;
    if (shimRpcTimeoutMs === 0 || entry.listen) return;
    entry.responseTimer = setTimeout(() => this.#hooks.onResponseTimeout(entry), shimRpcTimeoutMs);
  }

  #startDaemonTimer(entry: PendingRequest, waitMs: number): void {
    if (entry.daemonTimer !== undefined || entry.listen) return;
    const onTimeout = () => this.#hooks.onDaemonTimeout(entry, waitMs);
    entry.daemonTimer = suspendAwareTimeout(onTimeout, waitMs, this.#settings.connectTimeoutMs);
  }
}
