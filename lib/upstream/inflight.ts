import { ExaiError } from "../base/errors.ts";
import type { Call } from "../call/call.ts";
import { mintedId, type RequestId, type Result, type RpcMessage, type RpcResponse } from "../wire/rpc.ts";
import type { Addressee, Attribution } from "./attribution.ts";
import { NamelessErrors } from "./nameless_errors.ts";
import { namesItsTask } from "./work.ts";

/** One request on its way to an upstream. */
interface InFlight {
  /** The caller's call; undefined for a question of the daemon's own. */
  call: Call | undefined;
  settle(result: Result): void;
  fail(error: ExaiError): void;
}

/** The request of ours on whose stream a message came: it can be about no other (MCP basic/transports). */
export interface Origin {
  /** Whose request it is; undefined: the daemon's own, and so nobody's. */
  to: Addressee | undefined;
}

/** Everything asked of one upstream and not answered yet, by the ids the daemon has minted. */
export class InFlightTable {
  readonly #byId = new Map<RequestId, InFlight>();
  readonly #nameless = new NamelessErrors();
  /** Told of the calls that run: what the server says meanwhile may be about them. */
  readonly #attribution: Attribution;
  #idle: PromiseWithResolvers<void> | undefined;
  /** Requests whose streams may still go on, answered or not. */
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
    this.#nameless.asked(id);
    if (entry.call && !namesItsTask(entry.call.method)) this.#attribution.began(entry.call);
  }

  /** `id` is sent; what comes on its stream until `sent` settles is about `call`. */
  follow(id: RequestId, call: Call | undefined, sent: Promise<void>): Promise<void> {
    this.#streams.set(id, call);
    return sent.finally(() => this.#streams.delete(id));
  }

  /** Whose a message is that came on the stream of the request `id`. */
  origin(id: RequestId): Origin {
    const call = this.#streams.get(id);
    if (call === undefined) return { to: undefined };
    const { caller } = call;
    // A call that has been answered, or withdrawn, has no more way back of its own; its window has.
    return { to: this.#byId.has(id) ? { caller, call } : { caller } };
  }

  get(id: RequestId): InFlight | undefined {
    return this.#byId.get(mintedId(id));
  }

  /** A message was sent that gets no answer: an error without an id may be about it. */
  sentUnasked(message: RpcMessage): void {
    this.#nameless.unanswered({ isPlain: "method" in message && message.params === undefined });
  }

  /** Takes a request out; `withdrawn` when the server has not answered it, and may go on with it. */
  take(id: RequestId, options?: { withdrawn: boolean }): InFlight | undefined {
    const own = mintedId(id);
    const entry = this.#byId.get(own);
    if (!entry) return undefined;
    this.#byId.delete(own);
    if (options?.withdrawn) this.#nameless.unanswered({ isPlain: false });
    if (entry.call) this.#attribution.ended(entry.call, options);
    this.#settleIdle();
    return entry;
  }

  /**
   * Gives a response to the request it answers; one that cannot be taken fails it, so that nobody waits without end.
   *
   * @returns whether it answers any
   */
  settle({ id, result, error }: RpcResponse): boolean {
    // Of an error without an id it is plain whose it is where it can be about one request alone (JSON-RPC 2.0, 5).
    const isPlain = id === null && error && this.#byId.size === 1 &&
      this.#nameless.isAboutRequest(error.code);
    const [only] = isPlain ? this.#byId.keys() : [];
    if (id !== null) this.#nameless.answered(mintedId(id));
    const answered = id ?? only;
    const entry = answered === undefined ? undefined : this.take(answered);
    try {
      entry?.settle(error ? { error } : { result: result ?? {} });
    } catch (thrown) {
      entry?.fail(ExaiError.from(thrown));
      throw thrown;
    }
    return entry !== undefined;
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
