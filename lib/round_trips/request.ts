import type { ExaiError } from "../base/errors.ts";
import type { AskOptions, BeginOptions, Caller, InputAnswers } from "../call/call.ts";
import type { CallTrace } from "../call/trace.ts";
import type { Parking } from "../call/parking.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";

/** Where messages about one request of a client go until it is answered. */
export interface RequestPlace {
  /** Sends a notification about the request: progress, log messages. */
  notify(method: string, params: Params): void;
  /** The request begins to do what must not be done twice. */
  markBegun?(options?: BeginOptions): void;
  /** What the request carries is kept beyond its answer, until the result is disposed. Called before it is answered. */
  hold?(): HeldRequest | undefined;
}

/** A request that is kept, until it is disposed. */
export interface HeldRequest extends Disposable {
  readonly bytes: number;
}

/** A request of a client that can be asked only by the answer to it (MCP basic/patterns/mrtr). */
export interface RoundTripRequest {
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
  readonly parking?: Parking;
  readonly trace?: CallTrace;
  ask(method: string, params: Params, options?: AskOptions): Promise<Result>;
}

export interface StartedCall {
  /** Never rejects. */
  readonly result: Promise<Result>;
  cancel(reason: ExaiError): void;
}
