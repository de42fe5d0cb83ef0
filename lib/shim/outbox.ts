import { getLogger } from "@logtape/logtape";
import type { ExaiError } from "../base/errors.ts";
import { MIB } from "../base/units.ts";
import type { Line } from "../transport/stdio.ts";
import type { RequestId } from "../wire/rpc.ts";
import {
  isRequest,
  type PendingMessage,
  type PendingMessages,
  type PendingRequest,
} from "./pending_messages.ts";
import { errorLine } from "./lines.ts";
import { atRestart, type JournalFindings, type RecoveryAction } from "./recovery.ts";
import * as refusals from "./errors.ts";
import type { RequestTimers } from "./request_timers.ts";
import type { FailureResponder } from "./failure_responder.ts";
import type { Uplink } from "./uplink.ts";

const log = getLogger(["exai", "shim"]);

/** Requests kept for the daemon, together; beyond that they are refused rather than let memory grow. The rest likewise. */
const MAX_HELD_BYTES = 128 * MIB;

interface OutboxOptions {
  pending: PendingMessages;
  uplink: Pick<
    Uplink,
    "isReady" | "maxFrameBytes" | "acknowledgesMessages" | "sentCount" | "send" | "sendRequest"
  >;
  timers: Pick<RequestTimers, "stopWaiting">;
  failures: Pick<FailureResponder, "failAfterCut">;
}

/** What the client says on its way to the daemon: kept until it has arrived, sent, and after a cut sent again. */
export class Outbox {
  readonly #options: OutboxOptions;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Why a request of `bytes` is not taken; undefined: it is. */
  overCapacity({ bytes }: Pick<Line, "bytes">): ExaiError | undefined {
    const { requestBytes, requestCount } = this.#options.pending;
    return requestBytes + bytes > MAX_HELD_BYTES
      ? refusals.tooManyPending(requestCount, requestBytes)
      : undefined;
  }

  /** Passes on a notification of the client, at once if a daemon is there that has met it. */
  notify(method: string, line: Line): void {
    const error = this.#whyNoRoom(line);
    if (error) {
      const { bytes } = line;
      log.warning("{method} of {bytes} bytes is dropped: {reason}", { method, bytes, reason: error.message });
      return;
    }
    this.#keep({ kind: "notification", method, ...line, sent: false }, this.#options.uplink.isReady);
  }

  /** Passes on the client's answer to `id`. Whoever asked must not wait for one that has no room. */
  respond(id: RequestId, line: Line): void {
    const error = this.#whyNoRoom(line);
    if (error) this.respondWithError(id, error);
    else this.#keep({ kind: "response", ...line, sent: false }, true);
  }

  /** Answers `id` with what is wrong with the client's answer. */
  respondWithError(id: RequestId, error: ExaiError): void {
    log.warning("the client's answer to {id} cannot be passed on: {reason}", { id, reason: error.message });
    this.#keep({ kind: "response", ...errorLine(id, error), sent: false }, true);
  }

  send(entry: PendingMessage | PendingRequest): void {
    const { uplink, timers } = this.#options;
    if (!isRequest(entry)) {
      if (!uplink.send(entry.text)) return;
      entry.sent = true;
      entry.sequence = uplink.sentCount;
      return;
    }
    timers.stopWaiting(entry);
    entry.sent = uplink.sendRequest(entry.text) || entry.sent;
    entry.sends++;
  }

  /** Does with everything kept what `fateOf` says. */
  applyRecovery(fateOf: (entry: PendingMessage | PendingRequest) => RecoveryAction): void {
    const { pending: ledger } = this.#options;
    for (const entry of ledger) {
      const fate = fateOf(entry);
      if (fate === "send") this.send(entry);
      else if (fate === "drop") ledger.remove(entry);
      // The rest is sent or dropped.
      else this.#keepOrGiveUp(entry as PendingRequest, fate);
    }
  }

  /** Decides about what an earlier daemon may have had, as long as the next one's word about it holds. */
  applyRestart(
    recovered: JournalFindings | undefined,
    isSafeToRepeat: (request: PendingRequest) => boolean,
  ): void {
    for (const entry of this.#options.pending.requests()) {
      const fate = atRestart(entry, { recovered, isSafeToRepeat });
      if (fate === "send") entry.sent = false;
      else this.#keepOrGiveUp(entry, fate);
    }
  }

  #keepOrGiveUp(entry: PendingRequest, fate: RecoveryAction): void {
    const { timers, failures: unanswered } = this.#options;
    timers.stopWaiting(entry);
    unanswered.failAfterCut(entry, fate);
  }

  #whyNoRoom({ bytes }: Line): ExaiError | undefined {
    const { uplink, pending: ledger } = this.#options;
    if (bytes > uplink.maxFrameBytes) return refusals.tooLarge(bytes, uplink.maxFrameBytes);
    if (uplink.acknowledgesMessages) return undefined;
    return ledger.otherBytes + bytes > MAX_HELD_BYTES ? refusals.responseNotBuffered(bytes) : undefined;
  }

  /** Keeps `entry` until the daemon has it, and sends it now if it may be and a daemon is there. */
  #keep(entry: PendingMessage, mayBeSent: boolean): void {
    this.#options.pending.add(entry);
    if (mayBeSent) this.send(entry);
  }
}
