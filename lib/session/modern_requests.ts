import type { ExaiError } from "../base/errors.ts";
import type { RawRequest } from "../wire/raw_message.ts";
import type { RequestId, Result } from "../wire/rpc.ts";
import type { MessageSink } from "./message_sink.ts";
import type { ModernPeer } from "./modern_peer.ts";

/** The requests of the modern era on one connection, by their ids, until they are answered. */
export class ModernRequests {
  readonly #peer: ModernPeer;
  readonly #sink: MessageSink;
  readonly #running = new Map<RequestId, AbortController>();

  constructor(peer: ModernPeer, sink: MessageSink) {
    this.#peer = peer;
    this.#sink = sink;
  }

  has(id: RequestId): boolean {
    return this.#running.has(id);
  }

  /** The answer to `request`. Never rejects. */
  async run(request: RawRequest): Promise<Result> {
    const { id } = request;
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      return await this.#peer.answer(request, {
        notify: (method, params) => this.#sink.send({ method, params }, { relatedTo: id }),
        markBegun: (options) => this.#sink.markBegun?.(id, options),
      }, controller.signal);
    } finally {
      this.#running.delete(id);
    }
  }

  /** The client has withdrawn the request `id`; false when it is not one of these. */
  cancel(id: RequestId, reason: ExaiError): boolean {
    const running = this.#running.get(id);
    running?.abort(reason);
    return running !== undefined;
  }
}
