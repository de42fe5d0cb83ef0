import { ExaiError } from "../base/errors.ts";
import { type JsonObject, ownEntry } from "../base/json.ts";
import { MINUTE_MS } from "../base/units.ts";
import type { AskOptions, Caller, InputAnswers } from "../call/call.ts";
import type { CallTrace } from "../call/trace.ts";
import { checkAnswerable, CLIENT_CAPABILITY } from "../call/client_capabilities.ts";
import { Parking } from "../call/parking.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import { answerForNobody } from "./input_answers.ts";
import { OpenQuestions } from "./open_questions.ts";
import type { RequestPlace, RoundTripRequest, StartedCall } from "./request.ts";

/** How long a first question waits for others, so that they are asked together. */
const GATHER_MS = 20;

/** How long a client may take to answer once others wait for what the call holds. */
const HURRIED_MS = MINUTE_MS;

/** A request of a client that is to be answered. */
export interface OpenRequest {
  readonly caller: Caller;
  readonly place: RequestPlace;
  /** Aborted when the client has withdrawn it. */
  readonly signal: AbortSignal;
}

/** What a request is answered with. */
export type RequestEnd =
  | { is: "ended"; result: Result }
  /** The client is asked; the call waits for its next request. */
  | { is: "asked"; inputRequests: JsonObject };

interface ParkableCallHooks {
  /** Why the call may not wait for another request of its client; undefined: it may, and counts as parked. */
  park(parkable: ParkableCall): ExaiError | undefined;
  /** Its call has ended while no request was there to be answered. */
  keep(parkable: ParkableCall, result: Result): void;
}

const ABANDONED = "the client did not come back in time";

/** One call, and the requests of its client that it is answered through, one after another. */
export class ParkableCall {
  /** The request it began with. */
  readonly first: RoundTripRequest;
  readonly trace: CallTrace = { server: undefined };
  readonly parking = new Parking(() => this.#hurry());
  /** How often the client was asked. */
  round = 0;
  /** Whether the call has begun to do what must not be done twice. */
  hasBegun = false;
  #id: string | undefined;
  readonly #hooks: ParkableCallHooks;
  readonly #questions = new OpenQuestions(() => this.#answer());
  #call: StartedCall | undefined;
  #outcome: Result | undefined;
  #given: JsonObject | undefined;
  #caller: Caller;
  #waiting: { request: OpenRequest; resolve(turn: RequestEnd): void } | undefined;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #hurried: ReturnType<typeof setTimeout> | undefined;
  /** Whether its client is waited for no longer. */
  #isAbandoned = false;

  constructor(first: RoundTripRequest, hooks: ParkableCallHooks) {
    this.first = first;
    this.#caller = first.caller;
    this.#hooks = hooks;
  }

  /** Its name in states; most calls end without one. */
  get id(): string {
    return this.#id ??= crypto.randomUUID();
  }

  /** Starts the call for `request`; resolves with what it is answered with. */
  begin(request: OpenRequest, answers: InputAnswers | undefined): Promise<RequestEnd> {
    this.#given = answers?.inputResponses;
    const turn = this.#wait(request);
    this.#call = this.first.start({
      answers,
      parking: this.parking,
      trace: this.trace,
      notify: (method, params) => this.#waiting?.request.place.notify(method, params),
      markBegun: (options) => {
        this.#waiting?.request.place.markBegun?.(options);
        this.hasBegun = true;
      },
      ask: (method, params, options) => this.#ask(method, params, options),
    });
    void this.#call.result.then((result) => this.#ended(result));
    if (request.signal.aborted) this.cancel(ExaiError.from(request.signal.reason));
    return turn;
  }

  /**
   * The client has come back with `responses`; resolves with what this request is answered with.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when one of them is invalid: the call goes on waiting
   */
  resume(request: OpenRequest, responses: JsonObject): Promise<RequestEnd> {
    this.#questions.settle(responses);
    // What has begun before goes on for this request.
    if (this.hasBegun) request.place.markBegun?.();
    const turn = this.#wait(request);
    if (request.signal.aborted) this.cancel(ExaiError.from(request.signal.reason));
    this.#answer();
    return turn;
  }

  /** Resolves once the call has ended. */
  get ended(): Promise<unknown> {
    return Promise.resolve(this.#call?.result);
  }

  /** Ends the call. */
  cancel(reason: ExaiError): void {
    this.#call?.cancel(reason);
    this.#isAbandoned = true;
    clearTimeout(this.#hurried);
    this.#questions.giveUp(reason.message);
    this.#answer();
  }

  /** The client is waited for no longer: its questions are answered without it, and the call goes on. */
  giveUp(): void {
    if (!this.parking.isParked) return;
    clearTimeout(this.#hurried);
    this.#isAbandoned = true;
    this.#questions.giveUp(ABANDONED);
    this.parking.resume();
  }

  /** Its result is kept no longer. */
  dropResult(error: Result): void {
    if (this.#outcome) this.#outcome = error;
  }

  #wait(request: OpenRequest): Promise<RequestEnd> {
    const { promise, resolve } = Promise.withResolvers<RequestEnd>();
    const onAbort = () => this.cancel(ExaiError.from(request.signal.reason));
    request.signal.addEventListener("abort", onAbort, { once: true });
    this.#waiting = {
      request,
      resolve: (turn) => {
        request.signal.removeEventListener("abort", onAbort);
        this.#waiting = undefined;
        resolve(turn);
      },
    };
    this.#caller = request.caller;
    this.#isAbandoned = false;
    clearTimeout(this.#hurried);
    this.parking.resume();
    return promise;
  }

  async #ask(method: string, params: Params, options?: AskOptions): Promise<Result> {
    if (ownEntry(CLIENT_CAPABILITY, method) === undefined) {
      throw new ExaiError("METHOD_NOT_FOUND", `this client cannot be asked ${method}`);
    }
    checkAnswerable(method, params, this.#caller.capabilities);
    const isOver = this.#outcome !== undefined && !this.#waiting && !this.parking.isParked;
    if (this.#isAbandoned || isOver) return answerForNobody(method, ABANDONED);
    const answer = this.#questions.add(method, params, options, this.#given);
    this.#answer();
    return await answer;
  }

  #ended(result: Result): void {
    this.#outcome = result;
    clearTimeout(this.#hurried);
    if (!this.#waiting) this.#hooks.keep(this, result);
    this.#answer();
  }

  /** Answers the request that waits, if there is something to answer it with. */
  #answer(): void {
    if (!this.#waiting) return;
    if (this.#questions.size > 0) {
      this.#gathering ??= setTimeout(() => this.#show(), GATHER_MS);
      return;
    }
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    if (this.#outcome) this.#waiting.resolve({ is: "ended", result: this.#outcome });
  }

  #show(): void {
    this.#gathering = undefined;
    if (!this.#waiting) return;
    this.#questions.refuseBeyond(this.#caller.capabilities);
    const refusal = this.#questions.size > 0 ? this.#hooks.park(this) : undefined;
    if (refusal) this.#questions.refuse(refusal);
    if (this.#questions.size === 0) return this.#answer();
    this.round++;
    this.#waiting.resolve({ is: "asked", inputRequests: this.#questions.toJson() });
    this.parking.park();
  }

  #hurry(): void {
    if (!this.parking.isParked) return;
    clearTimeout(this.#hurried);
    this.#hurried = setTimeout(() => this.giveUp(), HURRIED_MS);
  }
}
