import { type ByteBudget, UNBOUNDED } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Caller, InputAnswers } from "../call/call.ts";
import { endsWithCaller } from "../call/owner.ts";
import type { UsedStateRecords } from "../call/used_states.ts";
import { toRpcError } from "../wire/codes.ts";
import { mayAskInput } from "../wire/era_methods.ts";
import { isInputRequired } from "../wire/raw_message.ts";
import type { Result } from "../wire/rpc.ts";
import { type OpenRequest, ParkableCall, type RequestEnd } from "./parkable_call.ts";
import { ParkedCalls } from "./parked_calls.ts";
import { stateOf, withState } from "./relayed_questions.ts";
import type { RoundTripRequest } from "./request.ts";
import { Retries } from "./retries.ts";
import { digestOfJson, type OpenedState, SealedStates, type StateContent } from "./sealed_states.ts";
import { answeredLate, outcomeUnknown, refused } from "./state_errors.ts";
import { STATE_KEY_BYTES, StateSeal } from "./state_seal.ts";
import { openedOf, questionsOf } from "./url_elicitations.ts";
import { UsedStates } from "./used_states.ts";

interface RoundTripsOptions {
  /** What states are sealed with, so that the next daemon can read them. Default: a key of its own. */
  key?: Uint8Array<ArrayBuffer>;
  /** The memory for results that nobody has fetched. Default: unlimited. */
  budget?: ByteBudget;
  /** Where the next daemon finds which states were used. Default: it does not know, and repeats only what it may. */
  usedStates?: UsedStateRecords;
}

/** Calls whose clients are asked by their answers, and repeat the request with what they were asked for. */
export class RoundTrips implements Disposable {
  readonly #states: SealedStates;
  readonly #used: UsedStates;
  readonly #retries: Retries;
  readonly #parked: ParkedCalls;

  constructor({ key, budget = UNBOUNDED, usedStates }: RoundTripsOptions = {}) {
    const seal = new StateSeal(key ?? crypto.getRandomValues(new Uint8Array(STATE_KEY_BYTES)));
    this.#used = new UsedStates(usedStates);
    this.#states = new SealedStates(seal, this.#used.daemon);
    this.#retries = new Retries(budget, this.#used);
    this.#parked = new ParkedCalls(budget);
  }

  /** Calls that wait for another request of their client, or have a result for it. */
  get parked(): number {
    return this.#parked.size;
  }

  /** The answer to `request`: the result of its call, or what its client is asked (`input_required`). Never rejects. */
  async run(request: RoundTripRequest): Promise<Result> {
    try {
      if (!mayAskInput(request.method)) return await runUnasked(request);
      const open: OpenRequest = { caller: request.caller, place: request.place, signal: request.signal };
      const { answers } = request;
      if (answers?.requestState === undefined) return await this.#begin(request, open, answers);
      const state = await this.#states.open(answers.requestState, request);
      const digest = await digestOfJson(answers.inputResponses ?? {});
      return await this.#retries.join(
        { state, answers: digest },
        open,
        (retry) => this.#continue(request, retry, state),
      );
    } catch (thrown) {
      return { error: toRpcError(thrown) };
    }
  }

  /** Ends what is kept for a client that has gone. */
  forget(caller: Caller): void {
    const isGone = (other: Caller) => endsWithCaller(other, caller);
    this.#parked.forget(isGone);
    this.#retries.forget(isGone);
  }

  /** Clears the timers. */
  [Symbol.dispose](): void {
    this.#used[Symbol.dispose]();
    this.#retries[Symbol.dispose]();
    this.#parked[Symbol.dispose]();
  }

  async #begin(
    request: RoundTripRequest,
    open: OpenRequest,
    answers: InputAnswers | undefined,
  ): Promise<Result> {
    const parkable = new ParkableCall(request, this.#parked);
    return await this.#answer(parkable, open, await parkable.begin(open, answers));
  }

  /** Goes on with what the state of `request` stands for. */
  async #continue(request: RoundTripRequest, open: OpenRequest, state: OpenedState): Promise<Result> {
    const { content } = state;
    const responses = request.answers?.inputResponses ?? {};
    switch (content.kind) {
      case "relay":
        return await this.#begin(request, open, {
          inputResponses: request.answers?.inputResponses,
          requestState: content.state,
          server: content.server,
        });
      case "again": {
        const opened = openedOf(content.questions, responses, request.method);
        if (opened.is === "refused") return opened.result;
        if (opened.is === "missing") return await this.#askAgain(request, opened.questions);
        return await this.#begin(request, open, undefined);
      }
      case "parked": {
        if (state.daemon === this.#used.daemon) return await this.#resume(open, content, responses);
        if (content.mayRepeat) return await this.#begin(request, open, undefined);
        throw outcomeUnknown(
          "the daemon was started anew while the call waited for this answer, and the call has ended with it",
        );
      }
    }
  }

  async #resume(
    open: OpenRequest,
    { id, round, mayRepeat }: StateContent & { kind: "parked" },
    responses: JsonObject,
  ): Promise<Result> {
    const parkable = this.#parked.get(id);
    if (!parkable) {
      if (mayRepeat) throw refused("is of a call that has ended");
      throw outcomeUnknown("the call that asked for this has ended, and its result is not kept any more");
    }
    if (parkable.round !== round) throw answeredLate();
    return await this.#answer(parkable, open, await parkable.resume(open, responses));
  }

  // Without a promise of its own for most calls, which end without a question.
  #answer(parkable: ParkableCall, open: OpenRequest, turn: RequestEnd): Promise<Result> | Result {
    if (turn.is === "asked") return this.#ask(parkable, open, turn.inputRequests);
    // A call whose client was never asked has no name to be parked under.
    if (parkable.round > 0) this.#parked.delete(parkable.id);
    return this.#passOn(turn.result, parkable);
  }

  /** Asks the client of `parkable`, whose next request goes on with the call. */
  async #ask(parkable: ParkableCall, open: OpenRequest, inputRequests: JsonObject): Promise<Result> {
    const { id, round, first } = parkable;
    const mayRepeat = !parkable.hasBegun;
    const requestState = await this.#states.close({ kind: "parked", id, round, mayRepeat }, first);
    if (open.signal.aborted) {
      // Nobody will read the question.
      this.#parked.delete(id);
      parkable.cancel(ExaiError.from(open.signal.reason));
    }
    return inputRequired(inputRequests, requestState);
  }

  /** The result of a call as its client gets it: what a server asks in it has a state of the daemon's. */
  #passOn(result: Result, parkable: ParkableCall): Promise<Result> | Result {
    if (result.error) {
      const { first } = parkable;
      const questions = questionsOf(result.error, first.caller.capabilities);
      return questions ? this.#askAgain(first, questions) : result;
    }
    return isInputRequired(result) ? this.#relay(result, parkable) : result;
  }

  /** What a server asks of its client. */
  async #relay(
    result: Result & { result: JsonObject },
    { first, trace: { server } }: ParkableCall,
  ): Promise<Result> {
    const { capabilities } = first.caller;
    const state = stateOf(result, { capabilities, server });
    // Also where the server gave none: without it, two requests with the same answers could not be told from one sent twice.
    const content = { kind: "relay", id: crypto.randomUUID(), server, state } as const;
    return withState(result, await this.#states.close(content, first));
  }

  /** Asks `questions`, after which the request is made as if it were new. */
  async #askAgain(request: RoundTripRequest, questions: JsonObject): Promise<Result> {
    const content = { kind: "again", id: crypto.randomUUID(), questions } as const;
    return inputRequired(questions, await this.#states.close(content, request));
  }
}

function inputRequired(inputRequests: JsonObject, requestState: string): Result {
  return { result: { resultType: "input_required", inputRequests, requestState } };
}

/** Runs a request that cannot be answered with a question. */
async function runUnasked(request: RoundTripRequest): Promise<Result> {
  const { method, place, signal } = request;
  const call = request.start({
    notify: (method, params) => place.notify(method, params),
    markBegun: (options) => place.markBegun?.(options),
    answers: undefined,
    ask: (asked) =>
      Promise.reject(
        new ExaiError("METHOD_NOT_FOUND", `this client cannot be asked ${asked} on behalf of ${method}`),
      ),
  });
  const onAbort = () => call.cancel(ExaiError.from(signal.reason));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await call.result;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
