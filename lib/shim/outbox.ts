import { getLogger } from "@logtape/logtape";
import type { ExaiError } from "../base/errors.ts";
import { MIB } from "../base/units.ts";
import type { Line } from "../transport/line.ts";
import { toRpcError } from "../wire/codes.ts";
import { messageText, type RequestId, responseTo, type RpcMessage } from "../wire/rpc.ts";
import * as errors from "./error_responses.ts";
import type { FailureResponder } from "./failure_responder.ts";
import {
  isRequest,
  type PendingMessage,
  type PendingMessages,
  type PendingRequest,
} from "./pending_messages.ts";
import { atRestart, type JournalFindings, type RecoveryAction } from "./recovery.ts";
import type { RequestTimers } from "./request_timers.ts";
import type { Uplink } from "./uplink.ts";

const log = getLogger(["exai", "shim"]);

/** Bytes of the pending requests, and of the other pending messages: more is rejected to bound the memory. */
const MAX_PENDING_BYTES = 128 * MIB;

interface OutboxOptions {
  pending: PendingMessages;
  uplink: Pick<
    Uplink,
    "isReady" | "maxFrameBytes" | "acknowledgesMessages" | "sentCount" | "send" | "sendRequest"
  >;
  timers: Pick<RequestTimers, "stopAwaitingDaemon">;
  failures: Pick<FailureResponder, "failAfterCut">;
}

/** The client's messages to the daemon: sent, kept until they have arrived, and sent again after a cut. */
export class Outbox {
  readonly #options: OutboxOptions;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** The error for a request of `bytes` when there is no room for it. */
  overCapacity({ bytes }: Pick<Line, "bytes">): ExaiError | undefined {
    const { requestBytes, requestCount } = this.#options.pending;
    return requestBytes + bytes > MAX_PENDING_BYTES
      ? errors.tooManyPending(requestCount, requestBytes)
      : undefined;
  }

  /** Passes on a notification, at once when an initialized daemon is connected. */
  notify(method: string, line: Line): void {
    const error = this.#capacityError(line);
    if (error) {
      const { bytes } = line;
      log.warning("{method} of {bytes} bytes is dropped: {reason}", { method, bytes, reason: error.message });
      return;
    }
    this.#add({ kind: "notification", method, ...line, isSent: false }, this.#options.uplink.isReady);
  }

  /** Passes on the client's response to `id`, or an error instead when there is no room. */
  respond(id: RequestId, line: Line): void {
    const error = this.#capacityError(line);
    if (error) this.respondWithError(id, error);
    else this.#add({ kind: "response", ...line, isSent: false }, true);
  }

  /** Answers the daemon's request `id` with `error`. */
  respondWithError(id: RequestId, error: ExaiError): void {
    log.warning("the client's answer to {id} cannot be passed on: {reason}", { id, reason: error.message });
    const line = lineOf(responseTo(id, { error: toRpcError(error) }));
    this.#add({ kind: "response", ...line, isSent: false }, true);
  }

  send(entry: PendingMessage | PendingRequest): void {
    const { uplink, timers } = this.#options;
    if (!isRequest(entry)) {
      if (!uplink.send(entry.text)) return;
      entry.isSent = true;
      entry.sequence = uplink.sentCount;
      return;
    }
    timers.stopAwaitingDaemon(entry);
    if (uplink.sendRequest(entry)) {
      entry.isSent = true;
      entry.sequence = uplink.sentCount;
    }
    if (!entry.listen) entry.sends++;
  }

  /** Applies `actionFor` to all pending messages. */
  applyRecovery(actionFor: (entry: PendingMessage | PendingRequest) => RecoveryAction): void {
    const { pending } = this.#options;
    for (const entry of pending) {
      const action = actionFor(entry);
      if (action === "send") this.send(entry);
      else if (action === "drop") pending.remove(entry);
      else if (isRequest(entry)) this.#keepOrFail(entry, action);
    }
  }

  /** Decides which requests of an earlier daemon the next one is sent. */
  applyRestart(
    recovered: JournalFindings | undefined,
    isSafeToRepeat: (request: PendingRequest) => boolean,
  ): void {
    for (const entry of this.#options.pending.requests()) {
      const action = atRestart(entry, { recovered, isSafeToRepeat });
      if (action === "send") entry.isSent = false;
      else this.#keepOrFail(entry, action);
    }
  }

  #keepOrFail(entry: PendingRequest, action: RecoveryAction): void {
    const { timers, failures } = this.#options;
    timers.stopAwaitingDaemon(entry);
    failures.failAfterCut(entry, action);
  }

  #capacityError({ bytes }: Line): ExaiError | undefined {
    const { uplink, pending } = this.#options;
    if (bytes > uplink.maxFrameBytes) return errors.tooLarge(bytes, uplink.maxFrameBytes);
    // With acknowledgements the client is not read beyond the limit (backpressure.ts).
    if (uplink.acknowledgesMessages) return undefined;
    return pending.otherBytes + bytes > MAX_PENDING_BYTES ? errors.responseNotBuffered(bytes) : undefined;
  }

  #add(entry: PendingMessage, maySend: boolean): void {
    this.#options.pending.add(entry);
    if (maySend) this.send(entry);
  }
}

/** `message` as one line of MCP's stdio transport. */
export function lineOf(message: RpcMessage): Line {
  const text = messageText(message);
  return { text, bytes: new TextEncoder().encode(text).length };
}
