import { assertEquals } from "@std/assert";
import type { ExaiError } from "../../lib/base/errors.ts";
import { isObject, type Json, type JsonObject } from "../../lib/base/json.ts";
import type { Caller } from "../../lib/call/call.ts";
import type { CallContextOfTry, RoundTripRequest } from "../../lib/round_trips/request.ts";
import { RoundTrips } from "../../lib/round_trips/round_trips.ts";
import type { Result } from "../../lib/wire/rpc.ts";
import { call } from "./call.ts";

/** What a tool does: its call, as round trips see it. */
export type Work = (context: CallContextOfTry & { signal: AbortSignal }) => Promise<Result>;

/** A caller that can be asked everything. */
export function asked(parts: Partial<Caller> = {}): Caller {
  const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
  return { ...call().caller, era: "modern", capabilities, ...parts };
}

interface SentRequest extends Partial<RoundTripRequest> {
  controller?: AbortController;
}

/** A client of one daemon's round trips; its tool is `work`. */
export class RoundTripClient {
  readonly roundTrips: RoundTrips;
  /** What the requests were told, by their numbers. */
  readonly told: [request: number, method: string][] = [];
  /** Calls that were started. */
  started = 0;
  /** The reasons for which calls were cancelled. */
  readonly cancelled: ExaiError[] = [];
  work: Work;
  #requests = 0;

  constructor(work: Work, roundTrips = new RoundTrips()) {
    this.work = work;
    this.roundTrips = roundTrips;
  }

  send(parts: SentRequest = {}): Promise<Result> {
    const number = ++this.#requests;
    const { controller = new AbortController(), ...rest } = parts;
    return this.roundTrips.run({
      caller: asked(),
      method: "tools/call",
      params: { name: "probe", arguments: { a: 1 } },
      answers: undefined,
      place: { notify: (method) => void this.told.push([number, method]) },
      signal: controller.signal,
      start: (context) => {
        this.started++;
        const own = new AbortController();
        const aborted = new Promise<Result>((resolve) => {
          own.signal.addEventListener("abort", () => resolve({ error: { code: -1, message: "aborted" } }));
        });
        const worked = this.work({ ...context, signal: own.signal }).catch((thrown): Result => ({
          error: { code: 0, message: String(thrown.code ?? thrown) },
        }));
        return {
          result: Promise.race([worked, aborted]),
          cancel: (reason) => {
            this.cancelled.push(reason);
            own.abort(reason);
          },
        };
      },
      ...rest,
    });
  }

  /** Sends the request again with answers to what `question` asks. */
  answer(question: Result, inputResponses: JsonObject, parts: SentRequest = {}): Promise<Result> {
    const requestState = String(question.result?.requestState);
    return this.send({ answers: { inputResponses, requestState }, ...parts });
  }
}

/** What a client is asked in `result`, by its keys. */
export function questionsIn(result: Result): Record<string, JsonObject> {
  assertEquals(result.result?.resultType, "input_required", JSON.stringify(result));
  const requests = result.result?.inputRequests;
  return isObject(requests) ? requests as Record<string, JsonObject> : {};
}

/** A form for a field of each name. */
export function form(message: string, ...fields: string[]): JsonObject {
  const properties = Object.fromEntries(fields.map((name) => [name, { type: "string" }]));
  return { message, requestedSchema: { type: "object", properties } };
}

export function accept(content: JsonObject): JsonObject {
  return { action: "accept", content };
}

/** A tool's result of one text. */
export function said(value: Json | undefined): Result {
  return { result: { content: [{ type: "text", text: JSON.stringify(value) }] } };
}

/** Resolves once the abort of `signal` is listened for. */
export function heeded(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const listen = signal.addEventListener.bind(signal);
  signal.addEventListener = (
    ...args: unknown[]
  ) => (resolve(), listen(...args as Parameters<typeof listen>));
  return promise;
}
