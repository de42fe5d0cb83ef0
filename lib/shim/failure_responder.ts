import { getLogger } from "@logtape/logtape";
import type { ExaiError } from "../base/errors.ts";
import type { StdioPeer } from "../transport/stdio.ts";
import type { PendingMessages, PendingRequest } from "./pending_messages.ts";
import type { LinkError } from "../client/link_target.ts";
import type { ReplayState } from "./replay_state.ts";
import type { RecoveryAction } from "./recovery.ts";
import * as refusals from "./errors.ts";

const log = getLogger(["exai", "shim"]);

interface FailureResponderOptions {
  client: Pick<StdioPeer, "refuse">;
  replayState: Pick<ReplayState, "isSafeToRepeat">;
  /** What a person can do who has no daemon, as the end of an error message. */
  advice: string;
}

/** The requests of the client that no daemon answers: they are answered here, with what became of them. */
export class FailureResponder {
  readonly #ledger: PendingMessages;
  readonly #options: FailureResponderOptions;
  /** Why there is no daemon. */
  #fault = "it has not answered yet";
  #onidle: (() => void) | undefined;

  constructor(ledger: PendingMessages, options: FailureResponderOptions) {
    this.#ledger = ledger;
    this.#options = options;
  }

  /** Resolves when no request waits for an answer. */
  async whenIdle(): Promise<void> {
    if (this.#ledger.requestCount > 0) await new Promise<void>((resolve) => this.#onidle = resolve);
  }

  /** A request has been answered or forgotten. */
  checkIdle(): void {
    if (this.#onidle && this.#ledger.requestCount === 0) this.#onidle();
  }

  /** Answers `entry` with `error`, if it still waits. */
  fail(entry: PendingRequest, error: ExaiError): void {
    if (!this.#ledger.remove(entry)) return;
    this.#options.client.refuse(entry.id, error);
    this.checkIdle();
  }

  /** Answers every request that still waits: the client has closed stdin and may yet read. */
  failAll(): void {
    for (const entry of [...this.#ledger.requests()]) {
      this.fail(
        entry,
        entry.sent ? refusals.stdinClosed(entry.method) : refusals.daemonNeverReached(this.#fault),
      );
    }
  }

  /** The connection has ended, as `why` says. */
  noteDisconnect(why: string): void {
    this.#fault = `the connection ended (${why})`;
  }

  /** No link came about. */
  handleLinkError({ fault, message }: LinkError): void {
    if (this.#fault !== message) log.warning("{reason}", { reason: message });
    this.#fault = message;
    if (!["unauthorized", "rejected", "unproven"].includes(fault)) return;
    // Waiting does not help here. What was sent waits on, for its outcome may still be learnt.
    for (const entry of this.#ledger.requests()) {
      if (!entry.sent) this.fail(entry, refusals.rejectedByDaemon(fault, message));
    }
  }

  /** `entry` has waited `waitedMs` for a daemon. */
  handleDaemonTimeout(entry: PendingRequest, waitedMs: number): void {
    const mayHaveRun = entry.sent && !this.#options.replayState.isSafeToRepeat(entry);
    const { advice } = this.#options;
    const error = mayHaveRun
      ? refusals.outcomeUnknown(entry.method)
      : refusals.daemonUnavailable(waitedMs, { why: this.#fault, advice });
    this.fail(entry, error);
  }

  /** Answers what a cut has left without an answer to come. */
  failAfterCut(entry: PendingRequest, fate: RecoveryAction): void {
    const { method, sends } = entry;
    if (fate === "unknown") this.fail(entry, refusals.outcomeUnknown(method));
    if (fate === "undelivered") this.fail(entry, refusals.undelivered(method, sends));
  }

  /** The daemon says that a message was too large for it, after all: sent again, it would end every connection. */
  failLargest(maxBytes: number): void {
    const sent = [...this.#ledger.requests()].filter((entry) => entry.sent);
    if (sent.length === 0) return;
    const largest = sent.reduce((a, b) => a.bytes > b.bytes ? a : b);
    this.fail(largest, refusals.tooLarge(largest.bytes, maxBytes));
  }
}
