import type { Json, JsonObject } from "../base/json.ts";
import type { CallEvent } from "../observe/call_store.ts";

/** What a session was shown: the answer to `initialize`, or to a list. */
export interface RecordedShown {
  session: string;
  method: string;
  /** The params. */
  request: JsonObject;
  result: JsonObject;
}

/** What was said to the client during a call. */
export interface RecordedEvent extends Pick<CallEvent, "kind" | "method"> {
  /** How long after the call began, in milliseconds. */
  afterMs: number;
  params: JsonObject;
}

/** A call, as it was recorded. */
export interface RecordedCall {
  session: string;
  id: string;
  method: string;
  /** The tool, of `tools/call`. */
  tool: string | undefined;
  /** The arguments of a tool, the params of any other; undefined where they were cut. */
  request: Json | undefined;
  /** The beginning of the request, where it was cut. */
  requestCut: string | undefined;
  /** The result, or the error of an `outcome` that is none; undefined where it had no answer, or that was cut. */
  answer: JsonObject | undefined;
  isAnswerCut: boolean;
  outcome: string;
  message: string | undefined;
  durationMs: number;
  events: readonly RecordedEvent[];
}

/** Whether `value` is a kind of what is said during calls. */
export function isEventKind(value: unknown): value is RecordedEvent["kind"] {
  return value === "notification" || value === "question";
}
