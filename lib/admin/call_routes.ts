import { ERROR_CODES, ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { Route } from "../edge/http_handler.ts";
import { type CallBodies, type CallFilter, passes } from "../observe/call_store.ts";
import { type CallRecord, isoTime } from "../observe/record.ts";
import { formatCallId } from "../observe/running.ts";
import { type CallControl, killSession, type Sessions } from "./call_control.ts";

interface CallRouteSources {
  desk: CallControl;
  sessions: Sessions;
  /** Ends the processes of a mounted server; says which. */
  killUpstream(id: string): Promise<readonly string[]>;
}

const DEFAULT_LIMIT = 50;

/** Calls listed at once: reading and writing them takes milliseconds in which nobody else is served. */
const MAX_LIMIT = 2000;

/** Lines a follower may leave unread before the oldest it has not seen are left out. */
const MAX_UNREAD_LINES = 10_000;

/** A call as JSON: over HTTP, and from `exai-daemon calls --json`. */
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
    message,
    waits_for: record.waitsFor,
    waiting_since: record.waitingSinceMs === undefined
      ? undefined
      : isoTime(Math.round(record.waitingSinceMs)),
    ...(bodies ? { request: bodies.request, answer: bodies.answer } : {}),
  };
}

/** What is shown and ended of calls over HTTP. The callers see to the method. */
export function callRoutes(sources: CallRouteSources): Record<"list" | "follow" | "cancel" | "kill", Route> {
  const { desk, sessions, killUpstream } = sources;
  return {
    list(request) {
      const query = new URL(request.url).searchParams;
      const id = query.get("id");
      if (id !== null) {
        const { record, bodies } = desk.find(id);
        return Response.json({ call: callJson(record, bodies) });
      }
      checkNames(query);
      const calls = desk.list(filterOf(query), limitOf(query));
      return Response.json({ calls: calls.map((record) => callJson(record)) });
    },
    follow(request) {
      const query = new URL(request.url).searchParams;
      checkNames(query);
      return follow(desk, filterOf(query));
    },
    cancel(request) {
      const id = new URL(request.url).searchParams.get("id") ?? "";
      return Response.json({ cancelled: callJson(desk.cancel(id, sessions)) });
    },
    async kill(request) {
      const query = new URL(request.url).searchParams;
      const id = query.get("id") ?? "";
      switch (query.get("what")) {
        case "call":
          return Response.json({ ended: [formatCallId(desk.cancel(id, sessions).id)] });
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
 * How many calls a query asks for; of more than can be had at once, the latest.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for what is no number of calls
 */
export function limitOf(query: URLSearchParams): number {
  const text = query.get("limit");
  if (text === null) return DEFAULT_LIMIT;
  if (/^\d{1,9}$/.test(text) && Number(text) >= 1) return Math.min(Number(text), MAX_LIMIT);
  throw new ExaiError(
    "INVALID_PARAMS",
    `limit is ${quoteName(text)}; allowed: a whole number from 1, of which ${MAX_LIMIT} are listed at most`,
  );
}

/**
 * Which calls a query asks for.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for a time or an outcome that is none
 */
export function filterOf(query: URLSearchParams): CallFilter {
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

/** What a query for calls may name. */
const QUERY_NAMES: readonly string[] = ["id", "session", "server", "tool", "outcome", "since", "limit"];

function checkNames(query: URLSearchParams): void {
  for (const name of query.keys()) {
    if (QUERY_NAMES.includes(name)) continue;
    throw new ExaiError(
      "INVALID_PARAMS",
      `a query has no ${quoteName(name)}${didYouMean(name, QUERY_NAMES)}; allowed: ${QUERY_NAMES.join(", ")}`,
    );
  }
}

/** How calls can have ended, as a filter names it. */
const OUTCOMES: readonly string[] = ["ok", "failed", "running", "tool_error", "error", ...ERROR_CODES];

function checkOutcome(outcome: string | undefined): void {
  if (outcome === undefined || OUTCOMES.includes(outcome)) return;
  throw new ExaiError(
    "INVALID_PARAMS",
    `outcome is ${quoteName(outcome)}${didYouMean(outcome, OUTCOMES)}; allowed: ${OUTCOMES.join(", ")}`,
  );
}

/** Each call as it ends, a line of JSON each, until whoever asked goes. */
function follow(desk: CallControl, filter: CallFilter): Response {
  const encoder = new TextEncoder();
  let watching: Disposable;
  const lines = new ReadableStream<Uint8Array>({
    start(controller) {
      // A first line at once: the client knows by it that nothing is missed from here on.
      controller.enqueue(encoder.encode("\n"));
      watching = desk.watch((record) => {
        if (!passes(record, filter) || (controller.desiredSize ?? 0) <= 0) return;
        controller.enqueue(encoder.encode(JSON.stringify(callJson(record)) + "\n"));
      });
    },
    cancel: () => watching[Symbol.dispose](),
  }, { highWaterMark: MAX_UNREAD_LINES });
  return new Response(lines, { headers: { "content-type": "application/x-ndjson" } });
}
