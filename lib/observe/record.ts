import { clip } from "../base/text.ts";
import { ERROR_CODES, ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { visibleJson } from "../base/visible.ts";
import type { Call, Policy } from "../call/call.ts";
import type { Belonging } from "../call/owner.ts";
import { type RunningCall, RunningCalls } from "./running.ts";

type TargetResult = Awaited<ReturnType<Parameters<Policy>[0]>>;

/** How one call went. */
export interface CallRecord {
  /** No other call ever had it; `formatCallId` shows it. */
  id: number;
  /** When it ended, in milliseconds since 1970. */
  endedAtMs: number;
  /** Session id. */
  session: string;
  /** Whose call it was; undefined for one read from a file, which the operator alone does. */
  belonging?: Belonging;
  /** Name of the client, if it said one. */
  client: string | undefined;
  clientVersion: string | undefined;
  /** The server it was led to, if there is one. */
  server: string | undefined;
  /** MCP method. */
  method: string;
  /** What was called: the tool for `tools/call`, otherwise the method. */
  tool: string;
  durationMs: number;
  /** `ok`; `tool_error` when the tool itself says it failed; one of our codes; `error` for another server's error. */
  outcome: string;
  /** Text in the arguments and in the answer, about as many bytes as were moved (see {@linkcode payloadBytes}). */
  bytesIn: number;
  bytesOut: number;
  /** What the failure said, for the log of recent errors; undefined for a call that went well. */
  message: string | undefined;
  /** What it waits for, of a call that runs. */
  waitsFor?: string;
  /** Since when, in milliseconds since 1970. */
  waitingSinceMs?: number;
}

/** What was said in a call: what was asked, and the result if there is one. */
export interface RecordedExchange {
  params: JsonObject;
  result: TargetResult | undefined;
}

interface ObserveOptions {
  /** Told of each call once it has ended. `exchange` is not to be kept: it may be large. */
  record: (record: CallRecord, exchange: RecordedExchange) => void;
  /** Where those that run are kept. */
  running?: RunningCalls;
}

const MAX_MESSAGE_LENGTH = 500;
const MAX_NAME_LENGTH = 128;
const MAX_NODES = 200;
const SCALAR_BYTES = 4;
const KNOWN_CODES: ReadonlySet<string> = new Set(ERROR_CODES);

/** Records every call that passes, whatever its end. Costs a call about a microsecond. */
export function observeCalls(options: ObserveOptions): Policy {
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
      const { outcome, message } = result === undefined ? ofThrown(thrown) : ofResult(result);
      const durationMs = performance.now() - startedMs;
      const bytesOut = result === undefined ? 0 : payloadBytes(result.result?.content);
      const record = describe(begun, { durationMs, bytesOut, outcome, message });
      options.record(record, { params: call.params, result });
    }
  };
}

/** Notes on the call which server it is led to, for its record. */
export function noteServer(name: string): Policy {
  return (next) => (call) => {
    if (call.trace) call.trace.server = name;
    return next(call);
  };
}

function describe(
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
    method: nameOf(method),
    tool: toolOf(call),
    durationMs: end.durationMs,
    outcome: end.outcome,
    bytesIn: payloadBytes(params.arguments),
    bytesOut: end.bytesOut,
    message: end.message,
  };
}

/** What `call` calls: its tool, or its method. */
export function toolOf({ method, params }: Call): string {
  const name = method === "tools/call" && typeof params.name === "string" ? params.name : method;
  return nameOf(name);
}

function nameOf(name: string): string {
  return name.length > MAX_NAME_LENGTH ? clip(name, MAX_NAME_LENGTH) : name;
}

function ofThrown(thrown: unknown): Pick<CallRecord, "outcome" | "message"> {
  const error = ExaiError.from(thrown);
  return { outcome: error.code, message: oneLine(error.message) };
}

function ofResult({ result, error }: TargetResult): Pick<CallRecord, "outcome" | "message"> {
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
 * About how many bytes `value` holds: the length of its strings, without names and punctuation. Looks at the first
 * few hundred values only, so that a call pays for its record what it costs to count, not to write it out again.
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

/** One line of `metrics.jsonl`, with its line end. */
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

// Writing out a time costs more than all else in a line; under load many calls end in the same millisecond.
let lastTime = { atMs: NaN, text: "" };

/** `atMs` (milliseconds since 1970) as ISO 8601 in UTC. */
export function isoTime(atMs: number): string {
  if (atMs !== lastTime.atMs) lastTime = { atMs, text: new Date(atMs).toISOString() };
  return lastTime.text;
}
