import { ExaiError } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { VERSION } from "../base/version.ts";
import type { CallStore, ExportedCall, ExportedShown } from "../observe/call_store.ts";
import { isoTime } from "../observe/call_record.ts";
import { formatCallId } from "../observe/running_calls.ts";
import { jsonIn } from "./call_bodies.ts";

/** The format of exported sessions; a reader refuses a later one. */
export const EXPORT_FORMAT = 1;

/** Calls looked at in one step: it takes a millisecond or two, and the daemon serves others between two of them. */
const PAGE = 1000;

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
 * cannot be read any more. What was cut is a text under `request_cut`, `answer_cut`. An empty one is no line: others
 * should be served before the next.
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
  for (let after = 0;;) {
    const shown = foundIn(store, store.shownAfter(session, after));
    if (!shown) break;
    after = shown.number;
    const line = shownLine(shown);
    if (line) yield JSON.stringify(line);
  }
  const counts = { calls: 0, without_bodies: 0 };
  for (let after = 0;;) {
    const page = foundIn(store, store.idsAfter(session, after, PAGE));
    if (!page) break;
    after = page.last;
    for (const { id, hasBodies } of page.ids) {
      // One that has become too old meanwhile is in neither count.
      const call = hasBodies ? foundIn(store, store.find(id)) : undefined;
      if (!hasBodies) counts.without_bodies++;
      if (!call?.bodies) continue;
      counts.calls++;
      yield JSON.stringify(callLine(call));
    }
    yield "";
  }
  yield JSON.stringify({ type: "end", ...counts });
}

/**
 * `found`, what `store` has given.
 *
 * @throws {ExaiError} `CONFIG` when the record cannot be read any more: it then gives nothing, as at its end
 */
function foundIn<T>(store: CallStore, found: T | undefined): T | undefined {
  if (found !== undefined || store.fault === undefined) return found;
  throw new ExaiError("CONFIG", store.fault);
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
