import { ExaiError } from "../base/errors.ts";
import { META } from "../wire/client_claim.ts";
import type { RawRequest } from "../wire/raw_message.ts";
import type { RequestId, Result } from "../wire/rpc.ts";
import type { HoldCharge } from "./charged.ts";
import type { MessageSink } from "./message_sink.ts";
import type { ModernPeer } from "./modern_peer.ts";
import type { Session } from "./session.ts";

/** The requests of the modern era of one session that has connections, by their ids, until they are answered. */
export class ModernRequests {
  readonly #peer: ModernPeer;
  readonly #sink: MessageSink;
  readonly #session: Session;
  readonly #running = new Map<RequestId, AbortController>();

  constructor(peer: ModernPeer, sink: MessageSink, session: Session) {
    this.#peer = peer;
    this.#sink = sink;
    this.#session = session;
  }

  has(id: RequestId): boolean {
    return this.#running.has(id);
  }

  /**
   * The answer to a request that `isModern`. Never rejects.
   *
   * @param hold keeps the charge for its size; left out: it is not charged
   */
  async answer(request: RawRequest, hold?: HoldCharge): Promise<Result> {
    const { id } = request;
    const controller = new AbortController();
    const { requests } = this.#session.modern;
    this.#running.set(id, controller);
    requests.add(id);
    try {
      return await this.#peer.answer(request, {
        notify: (method, params) => this.#sink.send({ method, params }, { relatedTo: id }),
        markBegun: (options) => this.#sink.markBegun?.(id, options),
        hold,
      }, controller.signal);
    } finally {
      this.#running.delete(id);
      requests.delete(id);
    }
  }

  /** The client has withdrawn the request `id`; false when it is not one of these. */
  cancel(id: RequestId, reason: ExaiError): boolean {
    const running = this.#running.get(id);
    running?.abort(reason);
    return running !== undefined;
  }
}

/** The error for a request of the modern era that says nothing of its client (MCP basic, per-request fields). */
export function withoutClaimError(method: string): ExaiError {
  const why = `${method} needs _meta["${META.revision}"], and the client's capabilities beside it`;
  return new ExaiError("INVALID_PARAMS", why);
}
