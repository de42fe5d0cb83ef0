import type { ByteAccount, ByteBudget } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import type { BeginOptions, Caller } from "../call/call.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import type { OpenRequest } from "./parkable_call.ts";
import { ExpiringMap } from "./expiring_map.ts";
import { chargeResult } from "./parked_calls.ts";
import type { RequestPlace } from "./request.ts";
import { refused, STATE_TTL_MS } from "./sealed_states.ts";

/** Retries that are known at once. */
const MAX_RETRIES = 2000;

/**
 * A request with a state, and each that is sent again with the same state and answers: a client whose stream has broken
 * sends its request anew (MCP basic/patterns), and that must not run twice. To the call they are one request.
 */
class Retry implements OpenRequest {
  readonly answers: string;
  readonly place: RequestPlace;
  /** Undefined until it runs. */
  result: Promise<Result> | undefined;
  account: ByteAccount | undefined;
  readonly #requests = new Set<OpenRequest>();
  readonly #controller = new AbortController();
  #latest: OpenRequest;

  /** @param answers a digest of its answers */
  constructor(answers: string, request: OpenRequest) {
    this.answers = answers;
    this.#latest = request;
    this.place = {
      notify: (method: string, params: Params) => this.#latest.place.notify(method, params),
      markBegun: (options?: BeginOptions) => this.#latest.place.markBegun?.(options),
    };
  }

  get caller(): Caller {
    return this.#latest.caller;
  }

  /** Aborted when the client has withdrawn each of its requests. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** One more request, until it is disposed. */
  add(request: OpenRequest): Disposable {
    const { signal } = request;
    const onAbort = () => {
      this.#requests.delete(request);
      if (this.#requests.size === 0) this.#controller.abort(signal.reason);
    };
    this.#latest = request;
    this.#requests.add(request);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    return { [Symbol.dispose]: () => signal.removeEventListener("abort", onAbort) };
  }
}

/** The requests with a state of the last minutes, so that one that is sent again gets the answer of the first. */
export class Retries implements Disposable {
  readonly #budget: ByteBudget;
  readonly #known = new ExpiringMap<Retry>({
    ttlMs: STATE_TTL_MS,
    max: MAX_RETRIES,
    onDrop: ({ account }) => account?.set(0),
  });

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  get size(): number {
    return this.#known.size;
  }

  /**
   * The answer to `request`: by `run`, or that of the same request before.
   *
   * @param key identifies its state
   * @param answers a digest of its answers
   * @throws {ExaiError} `INVALID_PARAMS` when it was answered otherwise before; what `run` throws, which leaves it as if
   * it had not been sent
   */
  async join(
    { key, answers }: { key: string; answers: string },
    request: OpenRequest,
    run: (retry: OpenRequest) => Promise<Result>,
  ): Promise<Result> {
    const known = this.#known.get(key);
    if (known && known.answers !== answers) throw refused("was answered before, with other answers");
    const retry = known ?? new Retry(answers, request);
    using _request = retry.add(request);
    if (!known) {
      this.#known.set(key, retry);
      retry.result = this.#run(key, retry, run);
    }
    return await retry.result!;
  }

  async #run(key: string, retry: Retry, run: (retry: OpenRequest) => Promise<Result>): Promise<Result> {
    try {
      const result = await run(retry);
      // A client that has withdrawn it may send it anew.
      if (retry.signal.aborted) this.#forget(key, retry);
      else if (this.#known.get(key) === retry) {
        retry.account = chargeResult(this.#budget, result, () => this.#forget(key, retry));
      }
      return result;
    } catch (thrown) {
      this.#forget(key, retry);
      throw ExaiError.from(thrown);
    }
  }

  #forget(key: string, retry: Retry): void {
    if (this.#known.get(key) === retry) this.#known.delete(key);
  }

  /** Forgets those of a client that has gone. */
  forget(isGone: (caller: Caller) => boolean): void {
    this.#known.deleteWhere(({ caller }) => isGone(caller));
  }

  [Symbol.dispose](): void {
    this.#known[Symbol.dispose]();
  }
}
