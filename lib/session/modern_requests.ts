import { ExaiError } from "../base/errors.ts";
import { isModern, META } from "../wire/client_claim.ts";
import { toRpcError } from "../wire/codes.ts";
import { legacyCodec } from "../wire/legacy_codec.ts";
import type { RawRequest } from "../wire/raw_message.ts";
import type { RequestId, Result } from "../wire/rpc.ts";
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

  /** The answer to `request`, which never rejects; undefined for one of the legacy era. */
  answer(request: RawRequest): Promise<Result> | undefined {
    if (isModern(request.body)) return this.#run(request);
    // Once the client has initialized, what is not of its revision is not known.
    const isOfNone = this.#session.revision === undefined && legacyCodec.refusalOf(request.method);
    return isOfNone ? Promise.resolve({ error: toRpcError(withoutClaimError(request.method)) }) : undefined;
  }

  async #run(request: RawRequest): Promise<Result> {
    const { id } = request;
    const controller = new AbortController();
    const { requests } = this.#session.modern;
    this.#running.set(id, controller);
    requests.add(id);
    try {
      return await this.#peer.answer(request, {
        notify: (method, params) => this.#sink.send({ method, params }, { relatedTo: id }),
        markBegun: (options) => this.#sink.markBegun?.(id, options),
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
function withoutClaimError(method: string): ExaiError {
  const why = `${method} needs _meta["${META.revision}"], and the client's capabilities beside it`;
  return new ExaiError("INVALID_PARAMS", why);
}
