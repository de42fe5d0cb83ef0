import { ExaiError } from "../base/errors.ts";
import { exactJson, type Json, type JsonObject } from "../base/json.ts";
import { VERSION } from "../base/version.ts";
import type { CallStore, ExportedCall, ExportedShown } from "../observe/call_store.ts";
import { isoTime } from "../observe/call_record.ts";
import { formatCallId } from "../observe/running_calls.ts";

/** The format of exported sessions; a reader refuses a later one. */
export const EXPORT_FORMAT = 1;

/** Rows read at a time: the daemon serves others between two pages. */
const PAGE = 64;

/** A list, or the answer to `initialize`, in an export. */
interface ShownLine {
  type: "shown";
  session: string;
  at: string;
  client: Json;
  method: string;
  request: Json;
  result: Json;
}

/**
 * The sessions whose ids begin with `session`, as lines of JSON: a `header`; `shown` for what each was shown; `call` for
 * each call whose arguments are recorded; `end`, with how many there are, or `fault`, with a `message`, where the record
 * cannot be read any more. What was cut is a text under `request_cut`, `answer_cut`.
 */
export function* exportLines(store: CallStore, session: string): Generator<string> {
  const header = {
    type: "header",
    exai_calls: EXPORT_FORMAT,
    exai: VERSION,
    exported_at: isoTime(Date.now()),
  };
  yield JSON.stringify({ ...header, bodies: store.keepsBodies });
  try {
    yield* recordLines(store, session);
  } catch (thrown) {
    if (!(thrown instanceof ExaiError)) throw thrown;
    yield JSON.stringify({ type: "fault", message: thrown.message });
  }
}

function* recordLines(store: CallStore, session: string): Generator<string> {
  const allShown = rowsOf(store, {
    read: (after) => store.shownAfter(session, after, PAGE),
    numberOf: ({ number }) => number,
  });
  for (const shown of allShown) {
    const line = shownLine(shown);
    if (line) yield JSON.stringify(line);
  }
  const counts = { calls: 0, without_bodies: 0 };
  const calls = rowsOf(store, {
    read: (after) => store.callsAfter(session, after, PAGE),
    numberOf: ({ record }) => record.id,
  });
  for (const call of calls) {
    counts[call.bodies ? "calls" : "without_bodies"]++;
    if (call.bodies) yield JSON.stringify(callLine(call));
  }
  yield JSON.stringify({ type: "end", ...counts });
}

/** @throws {ExaiError} `CONFIG` when the record cannot be read any more: it then gives no rows, as at its end */
function* rowsOf<T>(
  store: CallStore,
  { read, numberOf }: { read(after: number): T[]; numberOf(row: T): number },
): Generator<T> {
  for (let after = 0;;) {
    const page = read(after);
    if (page.length === 0) {
      if (store.fault === undefined) return;
      throw new ExaiError("CONFIG", store.fault);
    }
    after = numberOf(page.at(-1)!);
    yield* page;
  }
}

/** Undefined for one that was too long to be kept whole. */
function shownLine({ session, atMs, client, method, request, answer }: ExportedShown): ShownLine | undefined {
  const result = jsonIn(answer);
  if (result === undefined) return undefined;
  return {
    type: "shown",
    session,
    at: isoTime(atMs),
    client: jsonIn(client) ?? null,
    method,
    request: jsonIn(request) ?? {},
    result,
  };
}

function callLine({ record, bodies }: ExportedCall): JsonObject {
  const { id, session, server, method, tool, outcome, message, endedAtMs, durationMs } = record;
  const { request = "{}", answer, client, events } = bodies ?? {};
  return {
    type: "call",
    session,
    id: formatCallId(id),
    at: isoTime(Math.round(endedAtMs - durationMs)),
    duration_ms: Math.round(durationMs * 1000) / 1000,
    client: client === undefined ? undefined : jsonIn(client),
    server,
    method,
    tool: method === "tools/call" ? tool : undefined,
    outcome,
    message,
    ...partOf("request", request),
    ...(answer === undefined ? {} : partOf("answer", answer)),
    events: events === undefined ? undefined : jsonIn(events),
  };
}

function partOf(name: string, text: string): JsonObject {
  const value = jsonIn(text);
  return value === undefined ? { [`${name}_cut`]: text } : { [name]: value };
}

/** The value of a text with its numbers as they came; undefined for one that was cut. */
function jsonIn(text: string): Json | undefined {
  try {
    return exactJson(text);
  } catch {
    return undefined;
  }
}
