import { clip } from "../base/text.ts";
import { ERROR_CODES, ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { visibleJson } from "../base/visible.ts";
import type { Call, CallSpending, Policy } from "../call/call.ts";
import type { Belonging } from "../call/owner.ts";
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
  /** Approximate size of the arguments and of the result (see {@linkcode payloadBytes}). */
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

/** The parameters of a call, and its result if there is one. */
export interface RecordedExchange {
  params: JsonObject;
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
const MAX_NODES = 200;
const SCALAR_BYTES = 4;
const KNOWN_CODES: ReadonlySet<string> = new Set(ERROR_CODES);

/** A policy that records every call when it ends, in about a microsecond. */
export function recordCalls(options: RecordCallsOptions): Policy {
  const running = options.running ?? new RunningCalls();
  return (next) => async (call) => {
    const startedMs = performance.now();
    const begun = running.begin(call);
    let result: TargetResult | undefined;
    let thrown: unknown;
    try {
      return result = await next(call);
    } catch (error) {
      thrown = error;
      throw error;
    } finally {
      running.end(begun);
      const { outcome, message } = result === undefined ? outcomeOfThrown(thrown) : outcomeOfResult(result);
      const durationMs = performance.now() - startedMs;
      const bytesOut = result === undefined ? 0 : payloadBytes(result.result?.content);
      const record = toRecord(begun, { durationMs, bytesOut, outcome, message });
      options.record(record, { params: call.params, result });
      const goesOn = call.trace?.goesOn;
      if (goesOn) running.goOn(begun, goesOn).finally(() => amend(record, call, options));
    }
  };
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
  const { method, params, caller } = call;
  return {
    id,
    endedAtMs: Date.now(),
    session: caller.id,
    belonging,
    client: caller.client?.name,
    clientVersion: caller.client?.version,
    server: call.trace?.server,
    method: clipName(method),
    tool: toolOf(call),
    durationMs: end.durationMs,
    outcome: end.outcome,
    bytesIn: payloadBytes(params.arguments),
    bytesOut: end.bytesOut,
    spent: call.trace?.spent,
    message: end.message,
  };
}

/** The tool that `call` names, or its method. */
export function toolOf({ method, params }: Call): string {
  const name = method === "tools/call" && typeof params.name === "string" ? params.name : method;
  return clipName(name);
}

function clipName(name: string): string {
  return name.length > MAX_NAME_LENGTH ? clip(name, MAX_NAME_LENGTH) : name;
}

function outcomeOfThrown(thrown: unknown): Pick<CallRecord, "outcome" | "message"> {
  const error = ExaiError.from(thrown);
  return { outcome: error.code, message: oneLine(error.message) };
}

function outcomeOfResult({ result, error }: TargetResult): Pick<CallRecord, "outcome" | "message"> {
  if (error !== undefined) {
    const code = isObject(error.data) ? error.data.code : undefined;
    const outcome = typeof code === "string" && KNOWN_CODES.has(code) ? code : "error";
    return { outcome, message: oneLine(error.message) };
  }
  if (result?.isError !== true) return { outcome: "ok", message: undefined };
  const first = Array.isArray(result.content) ? result.content[0] : undefined;
  return { outcome: "tool_error", message: oneLine(isObject(first) ? first.text : undefined) };
}

function oneLine(message: Json | undefined): string {
  return typeof message === "string" ? clip(message, MAX_MESSAGE_LENGTH).replaceAll(/\s+/g, " ") : "";
}

/**
 * The approximate size of `value` in bytes: the length of its strings, without keys and punctuation. Only the first
 * 200 values are counted: serializing the value again would cost more than the rest of the record.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { payloadBytes } from "./call_record.ts";
 *
 * assertEquals(payloadBytes({ path: "a.ts", line: 7 }), 4 + 4);
 * ```
 */
export function payloadBytes(value: Json | undefined): number {
  return count(value, { nodesLeft: MAX_NODES });
}

function count(value: Json | undefined, budget: { nodesLeft: number }): number {
  if (value === undefined || budget.nodesLeft-- <= 0) return 0;
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return SCALAR_BYTES;
  let bytes = 0;
  for (const part of Array.isArray(value) ? value : Object.values(value)) {
    if (budget.nodesLeft <= 0) break;
    bytes += count(part, budget);
  }
  return bytes;
}

/** One line of `metrics.jsonl`, line feed included. */
export function metricsLine(record: CallRecord): string {
  return visibleJson({
    time: isoTime(record.endedAtMs),
    session: record.session,
    client: record.client,
    tool: record.tool,
    duration_ms: Math.round(record.durationMs * 1000) / 1000,
    outcome: record.outcome,
    bytes_in: record.bytesIn,
    bytes_out: record.bytesOut,
  }) + "\n";
}

// Formatting the time costs more than the rest of a line; under load many calls end in the same millisecond.
let lastTime = { atMs: NaN, text: "" };

/** `atMs` (milliseconds since 1970) as ISO 8601 in UTC. */
export function isoTime(atMs: number): string {
  if (atMs !== lastTime.atMs) lastTime = { atMs, text: new Date(atMs).toISOString() };
  return lastTime.text;
}
