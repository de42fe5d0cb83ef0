import { getLogger } from "@logtape/logtape";
import type { ExaiError } from "../base/errors.ts";
import type { LinkError } from "../client/link_target.ts";
import type { StdioPeer } from "../transport/stdio.ts";
import { idTextOf } from "../wire/envelope.ts";
import * as errors from "./error_responses.ts";
import { earlyDiscover } from "./early_discover.ts";
import type { PendingMessages, PendingRequest } from "./pending_messages.ts";
import type { RecoveryAction } from "./recovery.ts";
import type { ReplayState } from "./replay_state.ts";

const log = getLogger(["exai", "shim"]);

interface FailureResponderOptions {
  client: Pick<StdioPeer, "refuse" | "sendText">;
  replayState: Pick<ReplayState, "isSafeToRepeat">;
  /** The one server the window is for, if any. */
  server?: string;
  /** The end of an error message: what the user can do without a daemon. */
  advice: string;
}

/**
 * Answers the client's requests that get no response from a daemon: with an error that says what happened, or with what
 * is true without one.
 */
export class FailureResponder {
  readonly #pending: PendingMessages;
  readonly #options: FailureResponderOptions;
  /** Why there is no daemon. */
  #reason = "it has not answered yet";
  #onIdle: (() => void) | undefined;

  constructor(pending: PendingMessages, options: FailureResponderOptions) {
    this.#pending = pending;
    this.#options = options;
  }

  /** Resolves when no request is pending. */
  async whenIdle(): Promise<void> {
    if (this.#pending.requestCount > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
  }

  /** Must be called after a request was removed from the pending ones. */
  checkIdle(): void {
    if (this.#onIdle && this.#pending.requestCount === 0) this.#onIdle();
  }

  /** Answers `entry` with `error`, if it is still pending. */
  fail(entry: PendingRequest, error: ExaiError): void {
    if (!this.#pending.remove(entry)) return;
    this.#options.client.refuse(idTextOf(entry), error);
    this.checkIdle();
  }

  /** Fails all pending requests: the client has closed stdin, and may still read. */
  failAll(): void {
    for (const entry of [...this.#pending.requests()]) {
      if (entry.listen) continue;
      const error = entry.isSent ? errors.stdinClosed(entry.method) : errors.daemonNeverReached(this.#reason);
      this.fail(entry, error);
    }
  }

  /** The connection has ended with the close code and reason in `why`. */
  noteDisconnect(why: string): void {
    this.#reason = `the connection ended (${why})`;
  }

  /** An attempt to connect has failed. */
  handleLinkError({ fault, message }: LinkError): void {
    if (this.#reason !== message) log.warning("{reason}", { reason: message });
    this.#reason = message;
    if (fault !== "unauthorized" && fault !== "rejected" && fault !== "unproven") return;
    // Waiting does not help. Requests that were sent stay pending, as their outcome may still be learned.
    for (const entry of this.#pending.requests()) {
      if (!entry.isSent && !entry.listen?.isAcknowledged) {
        this.fail(entry, errors.rejectedByDaemon(fault, message));
      }
    }
  }

  /** No daemon has taken `entry` for `waitedMs`. */
  handleDaemonTimeout(entry: PendingRequest, waitedMs: number): void {
    const { advice, server, client } = this.#options;
    const early = entry.isSent ? undefined : earlyDiscover(entry, server);
    if (early !== undefined && this.#pending.remove(entry)) {
      client.sendText(early);
      return this.checkIdle();
    }
    const mayHaveRun = entry.isSent && !this.#options.replayState.isSafeToRepeat(entry);
    const error = mayHaveRun
      ? errors.outcomeUnknown(entry.method)
      : errors.daemonUnavailable(waitedMs, { why: this.#reason, advice });
    this.fail(entry, error);
  }

  /** Fails a request with the action `unknown`, `repeated` or `undelivered`. */
  failAfterCut(entry: PendingRequest, action: RecoveryAction): void {
    const { method, sends } = entry;
    if (action === "unknown") this.fail(entry, errors.outcomeUnknown(method));
    if (action === "repeated") this.fail(entry, errors.repeatedInVain(method, sends));
    if (action === "undelivered") this.fail(entry, errors.undelivered(method, sends));
  }

  /** Fails the largest sent request, after the daemon closed the connection over a frame that was too large. */
  failLargest(maxBytes: number): void {
    const sent = [...this.#pending.requests()].filter(({ isSent, listen }) =>
      isSent && !listen?.isAcknowledged
    );
    if (sent.length === 0) return;
    const largest = sent.reduce((a, b) => a.bytes > b.bytes ? a : b);
    this.fail(largest, errors.tooLarge(largest.bytes, maxBytes));
  }
}
