import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { quoteName } from "../base/suggest.ts";
import type { Route } from "../edge/doors.ts";
import { type CallBodies, type CallFilter, passes } from "../observe/call_store.ts";
import { type CallRecord, isoTime } from "../observe/record.ts";
import { formatCallId } from "../observe/running.ts";
import { type CallDesk, killSession, type Sessions } from "./call_desk.ts";

export interface CallRouteSources {
  desk: CallDesk;
  sessions: Sessions;
  /** Ends the processes of a mounted server; says which. */
  killUpstream(id: string): Promise<readonly string[]>;
}

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 100_000;

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
      const limit = Math.min(MAX_LIMIT, Number(query.get("limit")) || DEFAULT_LIMIT);
      return Response.json({ calls: desk.list(filterOf(query), limit).map((record) => callJson(record)) });
    },
    follow: (request) => follow(desk, filterOf(new URL(request.url).searchParams)),
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

/** Which calls a query asks for. */
export function filterOf(query: URLSearchParams): CallFilter {
  const text = (name: string) => query.get(name) ?? undefined;
  const since = text("since");
  return {
    session: text("session"),
    server: text("server"),
    tool: text("tool"),
    outcome: text("outcome"),
    sinceMs: since === undefined ? undefined : Number(since),
  };
}

/** Each call as it ends, a line of JSON each, until whoever asked goes. */
function follow(desk: CallDesk, filter: CallFilter): Response {
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
