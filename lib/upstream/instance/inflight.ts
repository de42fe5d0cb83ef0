import { ExaiError } from "../../base/errors.ts";
import type { Call } from "../../call/call.ts";
import { SENT } from "../../transport/upstream_transport.ts";
import { paramsOf } from "../../wire/raw_edits.ts";
import { rawResult } from "../../wire/raw_message.ts";
import { mintedId, type RequestId, type Result, type RpcMessage, type RpcResponse } from "../../wire/rpc.ts";
import type { Addressee, Attribution } from "./attribution.ts";
import { errorWithoutSecrets } from "./server_errors.ts";
import { NullIdErrors } from "./null_id_errors.ts";
import { isTaskMethod } from "../method_kind.ts";

/** A request that is not answered yet. */
interface InFlight {
  /** Undefined for a request of the daemon itself. */
  call: Call | undefined;
  /** Whether it was not sent, as the server was ending already; it fails when that has ended. */
  isUnsent?: boolean;
  settle(result: Result): void;
  fail(error: ExaiError): void;
}

/** The request on whose stream a message came: it is about that request (MCP basic/transports). */
export interface Origin {
  /** The session of the request; undefined for a request of the daemon itself. */
  to: Addressee | undefined;
}

/** The requests to one server that are not answered yet, by the ids the daemon has assigned. */
export class InFlightTable {
  readonly #byId = new Map<RequestId, InFlight>();
  readonly #nullIdErrors = new NullIdErrors();
  readonly #attribution: Attribution;
  #idle: PromiseWithResolvers<void> | undefined;
  /** Requests whose streams are still open, answered or not. */
  readonly #streams = new Map<RequestId, Call | undefined>();

  constructor(attribution: Attribution) {
    this.#attribution = attribution;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Resolves when nothing is in flight, now or later. */
  idle(): Promise<void> {
    if (this.#byId.size === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers<void>();
    return this.#idle.promise;
  }

  add(id: RequestId, entry: InFlight): void {
    this.#byId.set(id, entry);
    this.#nullIdErrors.requestSent(id);
    if (entry.call && !isTaskMethod(entry.call.method)) this.#attribution.callStarted(entry.call);
  }

  /** Messages on the stream of the request `id` are about `call` until `sent` settles. */
  follow(id: RequestId, call: Call | undefined, sent: Promise<void>): Promise<void> {
    if (sent === SENT) return sent;
    this.#streams.set(id, call);
    return sent.finally(() => this.#streams.delete(id));
  }

  /** The origin of a message that came on the stream of the request `id`. */
  origin(id: RequestId): Origin {
    const call = this.#streams.get(id);
    if (call === undefined) return { to: undefined };
    const { caller } = call;
    // A call that was answered or withdrawn takes no messages any more, but its session does.
    return { to: this.#byId.has(id) ? { caller, call } : { caller } };
  }

  get(id: RequestId): InFlight | undefined {
    return this.#byId.get(mintedId(id));
  }

  /** A message without an answer was sent: an error with id null may be about it. */
  unansweredSent(message: RpcMessage): void {
    this.#nullIdErrors.unansweredSent({ isPlain: "method" in message && paramsOf(message) === undefined });
  }

  /** Removes a request; `withdrawn`: the server has not answered it and may still work on it. */
  take(id: RequestId, options?: { withdrawn: boolean }): InFlight | undefined {
    const own = mintedId(id);
    const entry = this.#byId.get(own);
    if (!entry) return undefined;
    this.#byId.delete(own);
    if (options?.withdrawn) this.#nullIdErrors.unansweredSent({ isPlain: false });
    if (entry.call) this.#attribution.callEnded(entry.call, options);
    this.#settleIdle();
    return entry;
  }

  /**
   * Settles the request that a response answers, with a raw one as it is, but for secrets in an error. If handling the response throws, the request
   * fails with that.
   *
   * @returns whether the response answers a request
   */
  settle(response: RpcResponse): boolean {
    const { id, error } = response;
    // An error with id null is about the only request in flight, if no other message can be meant (JSON-RPC 2.0, 5).
    const isAboutOnly = id === null && error && this.#byId.size === 1 &&
      this.#nullIdErrors.isAboutRequest(error.code);
    const [only] = isAboutOnly ? this.#byId.keys() : [];
    if (id !== null) this.#nullIdErrors.requestAnswered(mintedId(id));
    const answered = id ?? only;
    const entry = answered === undefined ? undefined : this.take(answered);
    try {
      const clean = response.error && errorWithoutSecrets(response);
      entry?.settle(clean ?? rawResult(response) ?? (error ? { error } : { result: response.result ?? {} }));
    } catch (thrown) {
      entry?.fail(ExaiError.from(thrown));
      throw thrown;
    }
    return entry !== undefined;
  }

  /** A request cannot be sent, as the server is ending. */
  leaveUnsent(id: RequestId): void {
    const entry = this.#byId.get(id);
    if (entry) entry.isUnsent = true;
  }

  takeAll(): InFlight[] {
    const entries = [...this.#byId.values()];
    this.#byId.clear();
    this.#settleIdle();
    return entries;
  }

  #settleIdle(): void {
    if (this.#byId.size > 0 || !this.#idle) return;
    this.#idle.resolve();
    this.#idle = undefined;
  }
}
