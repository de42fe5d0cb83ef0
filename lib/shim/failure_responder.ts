import { getLogger } from "@logtape/logtape";
import type { ExaiError } from "../base/errors.ts";
import type { StdioPeer } from "../transport/stdio.ts";
import type { PendingMessages, PendingRequest } from "./pending_messages.ts";
import type { LinkError } from "../client/link_target.ts";
import type { ReplayState } from "./replay_state.ts";
import type { Fate } from "./recovery.ts";
import * as refusals from "./errors.ts";

const log = getLogger(["exai", "shim"]);

interface UnansweredOptions {
  client: Pick<StdioPeer, "refuse">;
  memory: Pick<ReplayState, "isSafeToRepeat">;
  /** What a person can do who has no daemon, as the end of an error message. */
  advice: string;
}

/** The requests of the client that no daemon answers: they are answered here, with what became of them. */
export class UnansweredRequests {
  readonly #ledger: PendingMessages;
  readonly #options: UnansweredOptions;
  /** Why there is no daemon. */
  #fault = "it has not answered yet";
  #onidle: (() => void) | undefined;

  constructor(ledger: PendingMessages, options: UnansweredOptions) {
    this.#ledger = ledger;
    this.#options = options;
  }

  /** Resolves when no request waits for an answer. */
  async idle(): Promise<void> {
    if (this.#ledger.requestCount > 0) await new Promise<void>((resolve) => this.#onidle = resolve);
  }

  /** A request has been answered or forgotten. */
  checkIdle(): void {
    if (this.#onidle && this.#ledger.requestCount === 0) this.#onidle();
  }

  /** Answers `entry` with `error`, if it still waits. */
  refuse(entry: PendingRequest, error: ExaiError): void {
    if (!this.#ledger.remove(entry)) return;
    this.#options.client.refuse(entry.id, error);
    this.checkIdle();
  }

  /** Answers every request that still waits: the client has closed stdin and may yet read. */
  refuseAll(): void {
    for (const entry of [...this.#ledger.requests()]) {
      this.refuse(entry, entry.sent ? refusals.stdinClosed(entry.method) : refusals.notReached(this.#fault));
    }
  }

  /** The connection has ended, as `why` says. */
  lost(why: string): void {
    this.#fault = `the connection ended (${why})`;
  }

  /** No link came about. */
  unlinked({ fault, message }: LinkError): void {
    if (this.#fault !== message) log.warning("{reason}", { reason: message });
    this.#fault = message;
    if (!["unauthorized", "rejected", "unproven"].includes(fault)) return;
    // Waiting does not help here. What was sent waits on, for its outcome may still be learnt.
    for (const entry of this.#ledger.requests()) {
      if (!entry.sent) this.refuse(entry, refusals.turnedAway(fault, message));
    }
  }

  /** `entry` has waited `waitedMs` for a daemon. */
  tire(entry: PendingRequest, waitedMs: number): void {
    const mayHaveRun = entry.sent && !this.#options.memory.isSafeToRepeat(entry);
    const { advice } = this.#options;
    const error = mayHaveRun
      ? refusals.outcomeUnknown(entry.method)
      : refusals.daemonUnavailable(waitedMs, { why: this.#fault, advice });
    this.refuse(entry, error);
  }

  /** Answers what a cut has left without an answer to come. */
  giveUp(entry: PendingRequest, fate: Fate): void {
    const { method, sends } = entry;
    if (fate === "unknown") this.refuse(entry, refusals.outcomeUnknown(method));
    if (fate === "undelivered") this.refuse(entry, refusals.undelivered(method, sends));
  }

  /** The daemon says that a message was too large for it, after all: sent again, it would end every connection. */
  refuseLargest(maxBytes: number): void {
    const sent = [...this.#ledger.requests()].filter((entry) => entry.sent);
    if (sent.length === 0) return;
    const largest = sent.reduce((a, b) => a.bytes > b.bytes ? a : b);
    this.refuse(largest, refusals.tooLarge(largest.bytes, maxBytes));
  }
}
