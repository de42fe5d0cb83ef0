import { clip, clipRedacted } from "../base/text.ts";
import { ERROR_CODES, ExaiError } from "../base/errors.ts";
import { isObject, type Json } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { type Call, paramOf, type Policy } from "../call/call.ts";
import type { CallSpending } from "../call/trace.ts";
import { type Belonging, sessionIdOf } from "../call/owner.ts";
import { argumentsSize, contentSize, isToolError } from "../call/payload_size.ts";
import { type RunningCall, RunningCalls } from "./running_calls.ts";

type TargetResult = Awaited<ReturnType<Parameters<Policy>[0]>>;

/** The outcome of one call, with what identifies it. */
export interface CallRecord {
  /** Unique across restarts; `formatCallId` shows it. */
  id: number;
  /** When it ended, in milliseconds since 1970. */
  endedAtMs: number;
  /** Session id. */
  session: string;
  /** The owner of the call; undefined for one read from a file, which only the operator does. */
  belonging?: Belonging;
  /** Name of the client, if it sent one. */
  client: string | undefined;
  clientVersion: string | undefined;
  /** The server it was routed to, if any. */
  server: string | undefined;
  /** MCP method. */
  method: string;
  /** The tool for `tools/call`, otherwise the method. */
  tool: string;
  durationMs: number;
  /** `ok`; `tool_error` for a result with `isError`; an `ERROR_CODES` code; `error` for a server's own error. */
  outcome: string;
  /** Size of the arguments and of the content of the result as JSON, in characters. */
  bytesIn: number;
  bytesOut: number;
  /** What it used of models, if it asked any. */
  spent?: CallSpending;
  /** The error message, for the log of recent errors; undefined for a success. */
  message: string | undefined;
  /** What a running call waits for. */
  waitsFor?: string;
  /** Since when, in milliseconds since 1970. */
  waitingSinceMs?: number;
}

/** A call and its result if there is one. Who looks at its arguments or its content has them parsed. */
export interface RecordedExchange {
  call: Call;
  result: TargetResult | undefined;
}

interface RecordCallsOptions {
  /** Called for each call that has ended. `exchange` may be large and must not be retained. */
  record: (record: CallRecord, exchange: RecordedExchange) => void;
  /** Called when a call that was answered before its end has ended, with what it has used by then. */
  amend?: (record: CallRecord) => void;
  /** Holds the calls in flight. */
  running?: RunningCalls;
}

const MAX_MESSAGE_LENGTH = 500;
const MAX_NAME_LENGTH = 128;
const KNOWN_CODES: ReadonlySet<string> = new Set(ERROR_CODES);

/** A policy that records every call when it ends, in about a microsecond. */
export function recordCalls(options: RecordCallsOptions): Policy {
  const running = options.running ?? new RunningCalls();
  return (next) => (call) => {
    const begun = running.begin(call);
    return tellEnd(() => next(call), (result, thrown) => {
      running.end(begun);
      const { outcome, message } = outcomeOf(result, thrown);
      const durationMs = performance.now() - begun.begunMs;
      const bytesOut = result === undefined ? 0 : contentSize(result);
      const record = toRecord(begun, { durationMs, bytesOut, outcome, message });
      options.record(record, { call, result });
      const goesOn = call.trace?.goesOn;
      if (goesOn) running.goOn(begun, goesOn).finally(() => amend(record, call, options));
    });
  };
}

/** Does `work`, and tells `ended` its result or what it has thrown, before whoever waits for it is told. */
export async function tellEnd<T>(
  work: () => Promise<T>,
  ended: (result: T | undefined, thrown: unknown) => void,
): Promise<T> {
  let result: T | undefined;
  let thrown: unknown;
  try {
    return result = await work();
  } catch (error) {
    thrown = error;
    throw error;
  } finally {
    ended(result, thrown);
  }
}

function amend(record: CallRecord, { trace }: Call, { amend }: RecordCallsOptions): void {
  if (trace?.spent === record.spent) return;
  // The record is shared by those that keep it in memory.
  record.spent = trace?.spent;
  amend?.(record);
}

/** A policy that puts the name of the call's server on its trace, for the record. */
export function recordServer(name: string): Policy {
  return (next) => (call) => {
    if (call.trace) call.trace.server = name;
    return next(call);
  };
}

function toRecord(
  { id, call, belonging }: RunningCall,
  end: Pick<CallRecord, "durationMs" | "bytesOut" | "outcome" | "message">,
): CallRecord {
  const { method, caller } = call;
  return {
    id,
    endedAtMs: Date.now(),
    session: sessionIdOf(caller),
    belonging,
    client: caller.client?.name,
    clientVersion: caller.client?.version,
    server: call.trace?.server,
    method: clipName(method),
    tool: toolOf(call),
    durationMs: end.durationMs,
    outcome: end.outcome,
    bytesIn: argumentsSize(call),
    bytesOut: end.bytesOut,
    spent: call.trace?.spent,
    message: end.message,
  };
}

/** The tool that `call` names, or its method. */
export function toolOf(call: Call): string {
  const name = call.method === "tools/call" ? paramOf(call, "name") : undefined;
  return clipName(typeof name === "string" ? name : call.method);
}

/** A name that a client gave, which may be anything, as it is recorded. */
export function clipName(name: string): string {
  return name.length > MAX_NAME_LENGTH ? clip(name, MAX_NAME_LENGTH) : name;
}

const OK = { outcome: "ok", message: undefined };

/** How a call has ended: with `result`, or by what was `thrown`. */
export function outcomeOf(
  result: TargetResult | undefined,
  thrown: unknown,
): Pick<CallRecord, "outcome" | "message"> {
  return result === undefined ? outcomeOfThrown(thrown) : outcomeOfResult(result);
}

function outcomeOfThrown(thrown: unknown): Pick<CallRecord, "outcome" | "message"> {
  const error = ExaiError.from(thrown);
  return { outcome: error.code, message: oneLine(error.message) };
}

function outcomeOfResult(ended: TargetResult): Pick<CallRecord, "outcome" | "message"> {
  const { error } = ended;
  if (error !== undefined) {
    const code = isObject(error.data) ? error.data.code : undefined;
    const outcome = typeof code === "string" && KNOWN_CODES.has(code) ? code : "error";
    return { outcome, message: oneLine(error.message) };
  }
  if (!isToolError(ended)) return OK;
  const content = ended.result?.content;
  const first = Array.isArray(content) ? content[0] : undefined;
  return { outcome: "tool_error", message: oneLine(isObject(first) ? first.text : undefined) };
}

function oneLine(message: Json | undefined): string {
  return typeof message === "string" ? clipRedacted(message, MAX_MESSAGE_LENGTH).replaceAll(/\s+/g, " ") : "";
}

// Formatting a time costs more than the rest of a line: all but the milliseconds are those of the second.
let lastSecond = { at: NaN, text: "" };

/**
 * `atMs` (milliseconds since 1970) as ISO 8601 in UTC.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isoTime } from "./call_record.ts";
 *
 * assertEquals(isoTime(Date.UTC(2026, 10, 27, 23, 59, 7, 42)), "2026-11-27T23:59:07.042Z");
 * ```
 */
export function isoTime(atMs: number): string {
  const second = Math.floor(atMs / SECOND_MS);
  if (second !== lastSecond.at) {
    const text = new Date(second * SECOND_MS).toISOString();
    lastSecond = { at: second, text: text.slice(0, -"000Z".length) };
  }
  return `${lastSecond.text}${String(Math.floor(atMs) - second * SECOND_MS).padStart(3, "0")}Z`;
}
