import type { ByteAccount, ByteBudget } from "../base/byte_budget.ts";
import type { BeginOptions, Caller } from "../call/call.ts";
import { toRpcError } from "../wire/codes.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import type { OpenRequest } from "./parkable_call.ts";
import { ExpiringMap } from "./expiring_map.ts";
import { chargeResult } from "./parked_calls.ts";
import type { RequestPlace } from "./request.ts";
import { type OpenedState, STATE_TTL_MS } from "./sealed_states.ts";
import { answeredOtherwise, outcomeUnknown } from "./state_errors.ts";
import type { UsedStates } from "./used_states.ts";

/** Results that are kept for one client, beside the retries that run. */
const MAX_RESULTS = 64;

/**
 * A request with a state, and each that is sent again with the same state and answers: a client whose stream has broken
 * sends its request anew (MCP basic/patterns), and that must not run twice. To the call they are one request.
 */
class Retry implements OpenRequest {
  readonly state: Pick<OpenedState, "key" | "client">;
  /** A digest of them. */
  readonly answers: string;
  readonly place: RequestPlace;
  /** Undefined until it runs. */
  result: Promise<Result> | undefined;
  account: ByteAccount | undefined;
  /** Whether something was begun for it that must not be done twice. */
  hasBegun = false;
  /** Whether its client has gone. */
  isForgotten = false;
  readonly #requests = new Set<OpenRequest>();
  readonly #controller = new AbortController();
  #caller: Caller;
  /** Undefined once it has ended. */
  #open: { latest: OpenRequest; onBegin(): void } | undefined;

  /** @param onBegin called before it begins what must not be done twice; throws if it must not */
  constructor({ state, answers }: AnsweredState, request: OpenRequest, onBegin: () => void) {
    this.state = { key: state.key, client: state.client };
    this.answers = answers;
    this.#caller = request.caller;
    this.#open = { latest: request, onBegin };
    this.place = {
      notify: (method: string, params: Params) => this.#open?.latest.place.notify(method, params),
      markBegun: (options?: BeginOptions) => {
        if (!this.hasBegun) this.#open?.onBegin();
        this.hasBegun = true;
        this.#open?.latest.place.markBegun?.(options);
      },
    };
  }

  get caller(): Caller {
    return this.#caller;
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
      // What it sends goes to one that is open still.
      this.#turnTo([...this.#requests].at(-1));
      if (this.#requests.size === 0) this.#controller.abort(signal.reason);
    };
    this.#turnTo(request);
    this.#requests.add(request);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    return {
      [Symbol.dispose]: () => {
        signal.removeEventListener("abort", onAbort);
        this.#requests.delete(request);
      },
    };
  }

  /** Lets go of its requests, which may be large, while its result is kept. */
  end(): void {
    this.#open = undefined;
  }

  #turnTo(request: OpenRequest | undefined): void {
    if (!request) return;
    this.#caller = request.caller;
    if (this.#open) this.#open.latest = request;
  }
}

/** A state, and a digest of the answers that were sent with it. */
interface AnsweredState {
  state: OpenedState;
  answers: string;
}

/**
 * The requests with a state of the last minutes, so that one that is sent again gets the answer of the first. When that is
 * no longer there, it runs again only if that does no harm.
 */
export class Retries implements Disposable {
  readonly #budget: ByteBudget;
  readonly #used: UsedStates;
  readonly #known = new ExpiringMap<Retry>({
    ttlMs: STATE_TTL_MS,
    max: Infinity,
    onDrop: (retry) => this.#dropped(retry),
  });
  /** The keys of those whose result is kept, the oldest first, by client. */
  readonly #kept = new Map<string, Set<string>>();

  constructor(budget: ByteBudget, used: UsedStates) {
    this.#budget = budget;
    this.#used = used;
  }

  /**
   * The answer to `request`: by `run`, or that of the same request before.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when it was answered otherwise before; `OUTCOME_UNKNOWN` when it has begun before
   * and its result is not there; what `run` throws before anything has begun. That, like an error it returns by then,
   * leaves it as if it had not been sent
   */
  async join(
    sent: AnsweredState,
    request: OpenRequest,
    run: (retry: OpenRequest) => Promise<Result>,
  ): Promise<Result> {
    const { state, answers } = sent;
    const known = this.#known.get(state.key);
    const use = known ?? this.#used.find(state);
    if (typeof use === "object" && use.answers !== answers) throw answeredOtherwise();
    if (!known && typeof use === "object") {
      throw outcomeUnknown(
        "a request with this requestState has begun before, and its result is not kept any more",
      );
    }
    const retry = known ?? new Retry(sent, request, () => this.#begin(sent, use === "unknown"));
    using _request = retry.add(request);
    if (!known) {
      this.#known.set(state.key, retry);
      retry.result = this.#run(retry, run);
    }
    return await retry.result!;
  }

  #begin({ state, answers }: AnsweredState, mayHaveBegun: boolean): void {
    if (mayHaveBegun) {
      throw outcomeUnknown(
        "this requestState is of a daemon that has ended, and whether the request has begun there is not known",
      );
    }
    this.#used.add(state, answers);
  }

  async #run(retry: Retry, run: (retry: OpenRequest) => Promise<Result>): Promise<Result> {
    let result: Result;
    try {
      result = await run(retry);
    } catch (thrown) {
      if (!retry.hasBegun) {
        this.#forget(retry);
        throw thrown;
      }
      result = { error: toRpcError(thrown) };
    } finally {
      retry.end();
    }
    // What failed before anything was done may be tried again, as such errors say.
    const isUndone = result.error !== undefined && !retry.hasBegun;
    // A client that has withdrawn it may send it anew.
    if (isUndone || retry.signal.aborted || retry.isForgotten) this.#forget(retry);
    else if (this.#isKnown(retry)) this.#keep(retry, result);
    return result;
  }

  /** Keeps a result; the oldest of its client makes room. */
  #keep(retry: Retry, result: Result): void {
    const { key, client } = retry.state;
    const kept = this.#kept.get(client) ?? new Set();
    this.#kept.set(client, kept.add(key));
    const [oldest] = kept;
    if (kept.size > MAX_RESULTS) this.#known.delete(oldest!);
    retry.account = chargeResult(this.#budget, result, () => this.#forget(retry));
  }

  #isKnown(retry: Retry): boolean {
    return this.#known.get(retry.state.key) === retry;
  }

  #forget(retry: Retry): void {
    if (this.#isKnown(retry)) this.#known.delete(retry.state.key);
  }

  #dropped({ account, state: { key, client } }: Retry): void {
    account?.set(0);
    const kept = this.#kept.get(client);
    if (kept?.delete(key) && kept.size === 0) this.#kept.delete(client);
  }

  /** Forgets the results of a client that has gone. */
  forget(isGone: (caller: Caller) => boolean): void {
    this.#known.deleteWhere((retry) => {
      retry.isForgotten ||= isGone(retry.caller);
      // One that runs is known until it ends, so that it is not made again beside it.
      return retry.isForgotten && this.#kept.get(retry.state.client)?.has(retry.state.key) === true;
    });
  }

  [Symbol.dispose](): void {
    this.#known[Symbol.dispose]();
  }
}
