import { suspendAwareTimeout } from "../base/time.ts";
import type { Settings } from "../config/settings.ts";
import type { PendingRequest } from "./pending_messages.ts";

export type TimerSettings = Pick<Settings, "connectTimeoutMs" | "resumeWindowMs" | "shimRpcTimeoutMs">;

interface TimerHooks {
  /** The request has waited `waitedMs` for a daemon. */
  ontired(entry: PendingRequest, waitedMs: number): void;
  /** The request was not answered within `EXAI_SHIM_RPC_TIMEOUT`. */
  onunanswered(entry: PendingRequest): void;
}

/** How long requests wait for a daemon and for their answers. */
export class RequestTimers {
  readonly #settings: TimerSettings;
  readonly #hooks: TimerHooks;

  constructor(settings: TimerSettings, hooks: TimerHooks) {
    this.#settings = settings;
    this.#hooks = hooks;
  }

  awaitDaemon(entry: PendingRequest): void {
    const { connectTimeoutMs } = this.#settings;
    // The daemon holds the answer to what it has got for that long.
    if (entry.sent) this.awaitNextDaemon(entry);
    else this.#expectDaemon(entry, connectTimeoutMs);
  }

  /** Waits for as long as a daemon may need to take over from another. */
  awaitNextDaemon(entry: PendingRequest): void {
    const { connectTimeoutMs, resumeWindowMs } = this.#settings;
    this.#expectDaemon(entry, Math.max(connectTimeoutMs, resumeWindowMs));
  }

  stopWaiting(entry: PendingRequest): void {
    entry.daemonTimer?.[Symbol.dispose]();
    entry.daemonTimer = undefined;
  }

  awaitAnswer(entry: PendingRequest): void {
    const { shimRpcTimeoutMs } = this.#settings;
    if (shimRpcTimeoutMs === 0) return;
    entry.answerTimer = setTimeout(() => this.#hooks.onunanswered(entry), shimRpcTimeoutMs);
  }

  #expectDaemon(entry: PendingRequest, waitMs: number): void {
    if (entry.daemonTimer !== undefined) return;
    const giveUp = () => this.#hooks.ontired(entry, waitMs);
    entry.daemonTimer = suspendAwareTimeout(giveUp, waitMs, this.#settings.connectTimeoutMs);
  }
}
