import { delay } from "@std/async/delay";
import { ERROR_CODES, ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import { KIB } from "../base/units.ts";
import type { Route } from "../edge/http_handler.ts";
import { type CallBodies, type CallFilter, matchesFilter } from "../observe/call_store.ts";
import { type CallRecord, isoTime } from "../observe/call_record.ts";
import { formatCallId } from "../observe/running_calls.ts";
import type { CallControl, SessionAccess } from "./call_control.ts";
import { killSession } from "./terminate.ts";

interface CallRouteSources {
  calls: CallControl;
  sessions: SessionAccess;
  /** Ends the processes of a mounted server; returns a description of each. */
  killUpstream(id: string): Promise<readonly string[]>;
}

const DEFAULT_LIMIT = 50;

/** Maximum number of calls per response: reading and serializing them blocks the event loop. */
const MAX_LIMIT = 2000;

/** Maximum number of lines buffered for a client that follows calls; further lines are dropped. */
const MAX_UNREAD_LINES = 10_000;

/** Lines of an export that are read and sent at once. */
const EXPORT_PART_CHARS = 64 * KIB;

/** Lines of JSON, each of which is read as it comes. */
export const NDJSON = { "content-type": "application/x-ndjson", "cache-control": "no-store" };

/** A call as JSON, for HTTP and `exai-daemon calls --json`. */
export function callJson(record: CallRecord, bodies?: CallBodies): JsonObject {
  const { id, session, client, clientVersion, server, method, tool, outcome, message } = record;
  return {
    id: formatCallId(id),
    started_at: isoTime(Math.round(record.endedAtMs - record.durationMs)),
    session,
    client,
    client_version: clientVersion,
    server,
    method,
    tool,
    duration_ms: Math.round(record.durationMs * 1000) / 1000,
    outcome,
    bytes_in: record.bytesIn,
    bytes_out: record.bytesOut,
    input_tokens: record.spent?.inputTokens,
    output_tokens: record.spent?.outputTokens,
    cost_usd: record.spent?.usd,
    message,
    waits_for: record.waitsFor,
    waiting_since: record.waitingSinceMs === undefined
      ? undefined
      : isoTime(Math.round(record.waitingSinceMs)),
    ...(bodies ? { request: bodies.request, answer: bodies.answer } : {}),
  };
}

/** The routes that list, follow, cancel and kill calls. The caller restricts their HTTP methods. */
export function callRoutes(
  sources: CallRouteSources,
): Record<"list" | "follow" | "export" | "cancel" | "kill", Route> {
  const { calls, sessions, killUpstream } = sources;
  return {
    list(request) {
      const query = new URL(request.url).searchParams;
      const id = query.get("id");
      if (id !== null) {
        const { record, bodies } = calls.find(id);
        return Response.json({ call: callJson(record, bodies) });
      }
      const records = calls.list(parseFilter(query), parseLimit(query));
      return Response.json({ calls: records.map((record) => callJson(record)) });
    },
    follow(request) {
      const query = new URL(request.url).searchParams;
      return streamCalls(calls, parseFilter(query));
    },
    export(request) {
      const query = new URL(request.url).searchParams;
      return streamLines(calls.exported(query.get("session") ?? ""));
    },
    cancel(request) {
      const id = new URL(request.url).searchParams.get("id") ?? "";
      return Response.json({ cancelled: callJson(calls.cancel(id, sessions)) });
    },
    async kill(request) {
      const query = new URL(request.url).searchParams;
      const id = query.get("id") ?? "";
      switch (query.get("what")) {
        case "call":
          return Response.json({ ended: [formatCallId(calls.cancel(id, sessions).id)] });
        case "session":
          return Response.json({ ended: [await killSession(id, sessions)] });
        case "upstream":
          return Response.json({ ended: await killUpstream(id) });
      }
      throw new ExaiError(
        "INVALID_PARAMS",
        `${quoteName(query.get("what") ?? "")} cannot be ended; call, session and upstream can`,
      );
    },
  };
}

/**
 * The `limit` of a query, at most 2000; default 50.
 *
 * @throws {ExaiError} `INVALID_PARAMS` when it is not a positive integer
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseLimit } from "./call_routes.ts";
 *
 * assertEquals(parseLimit(new URLSearchParams("limit=7")), 7);
 * assertEquals(parseLimit(new URLSearchParams()), 50);
 * ```
 */
export function parseLimit(query: URLSearchParams): number {
  const text = query.get("limit");
  if (text === null) return DEFAULT_LIMIT;
  if (/^\d{1,9}$/.test(text) && Number(text) >= 1) return Math.min(Number(text), MAX_LIMIT);
  throw new ExaiError(
    "INVALID_PARAMS",
    `limit is ${quoteName(text)}; allowed: a whole number from 1, of which ${MAX_LIMIT} are listed at most`,
  );
}

/**
 * The filter of a query.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for an invalid time or outcome
 */
export function parseFilter(query: URLSearchParams): CallFilter {
  const text = (name: string) => query.get(name) ?? undefined;
  const since = text("since");
  if (since !== undefined && !/^-?\d{1,16}(\.\d+)?$/.test(since)) {
    throw new ExaiError(
      "INVALID_PARAMS",
      `since is ${quoteName(since)}; allowed: milliseconds since 1970`,
    );
  }
  checkOutcome(text("outcome"));
  return {
    session: text("session"),
    server: text("server"),
    tool: text("tool"),
    outcome: text("outcome"),
    sinceMs: since === undefined ? undefined : Number(since),
  };
}

/** The values of the parameter `outcome`. */
const OUTCOMES: readonly string[] = ["ok", "failed", "running", "tool_error", "error", ...ERROR_CODES];

function checkOutcome(outcome: string | undefined): void {
  if (outcome === undefined || OUTCOMES.includes(outcome)) return;
  throw new ExaiError(
    "INVALID_PARAMS",
    `outcome is ${quoteName(outcome)}${didYouMean(outcome, OUTCOMES)}; allowed: ${OUTCOMES.join(", ")}`,
  );
}

/** Streams each call when it ends, as one line of JSON, until the client disconnects. */
function streamCalls(calls: CallControl, filter: CallFilter): Response {
  const encoder = new TextEncoder();
  let subscription: Disposable;
  const lines = new ReadableStream<Uint8Array>({
    start(controller) {
      // Signals to the client that calls are reported from now on.
      controller.enqueue(encoder.encode("\n"));
      subscription = calls.subscribe((record) => {
        if (!matchesFilter(record, filter) || (controller.desiredSize ?? 0) <= 0) return;
        controller.enqueue(encoder.encode(JSON.stringify(callJson(record)) + "\n"));
      });
    },
    cancel: () => subscription[Symbol.dispose](),
  }, { highWaterMark: MAX_UNREAD_LINES });
  return new Response(lines, { headers: NDJSON });
}

/** Sends `lines` as fast as the client reads them. */
function streamLines(lines: Iterable<string>): Response {
  const iterator = lines[Symbol.iterator]();
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      let part = "";
      while (part.length < EXPORT_PART_CHARS) {
        // Others are served between two parts, and where a line may take long to come.
        if (part === "") await delay(0);
        const { value, done } = iterator.next();
        if (done) break;
        if (value === "" && part !== "") break;
        if (value !== "") part += `${value}\n`;
      }
      if (part === "") controller.close();
      else controller.enqueue(encoder.encode(part));
    },
    cancel: () => void iterator.return?.(),
  });
  return new Response(stream, { headers: NDJSON });
}
