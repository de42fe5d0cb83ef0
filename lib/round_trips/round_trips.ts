import { ExaiError } from "../base/errors.ts";
import type { AskOptions, BeginOptions, Caller, InputAnswers } from "../call/call.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";

/** Where messages about one request of a client go until it is answered. */
export interface RequestPlace {
  /** Sends a notification about the request: progress, log messages. */
  notify(method: string, params: Params): void;
  /** The request begins to do what must not be done twice. */
  markBegun?(options?: BeginOptions): void;
}

/** A request of a client that can be asked only by the answer to it (MCP basic/patterns/mrtr). */
interface RoundTripRequest {
  readonly caller: Caller;
  readonly method: string;
  /** Without its claim and without {@linkcode answers}. */
  readonly params: Params;
  /** As the client sent them. */
  readonly answers: InputAnswers | undefined;
  readonly place: RequestPlace;
  /** Aborted when the client has withdrawn the request. */
  readonly signal: AbortSignal;
  /** Starts the call. */
  start(context: CallContextOfTry): StartedCall;
}

/** What a call has of the request it was started for, and of those after it. */
export interface CallContextOfTry extends RequestPlace {
  /** For a server of the modern era, with the state it gave. */
  readonly answers: InputAnswers | undefined;
  ask(method: string, params: Params, options?: AskOptions): Promise<Result>;
}

export interface StartedCall {
  /** Never rejects. */
  readonly result: Promise<Result>;
  cancel(reason: ExaiError): void;
}

/** Calls whose clients are asked by their answers, and repeat the request with what they were asked for. */
export class RoundTrips {
  /** The answer to `request`: the result of its call, or what its client is asked (`input_required`). Never rejects. */
  async run(request: RoundTripRequest): Promise<Result> {
    const { place, answers, signal } = request;
    const { result, cancel } = request.start({
      answers,
      notify: (method, params) => place.notify(method, params),
      markBegun: (options) => place.markBegun?.(options),
      ask: (method) =>
        Promise.reject(new ExaiError("METHOD_NOT_FOUND", `this client cannot be asked ${method}`)),
    });
    const onAbort = () => cancel(ExaiError.from(signal.reason));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await result;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
