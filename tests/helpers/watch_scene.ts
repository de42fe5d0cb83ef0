import type { JsonObject } from "../../lib/base/json.ts";
import type { ServerStatus, SessionStatus } from "../../lib/admin/status_rows.ts";
import type { SampleEvent, WatchEvent } from "../../lib/admin/watch_event.ts";
import * as watchRows from "./watch_rows.ts";

/** A row of a server that runs. */
export const serverRow = (server: string, more: Partial<ServerStatus> = {}): ServerStatus => ({
  ...watchRows.serverRow(server),
  ...more,
});

/** A row of a window that is connected. */
export const sessionRow = (session: string, more: Partial<SessionStatus> = {}): SessionStatus => ({
  ...watchRows.sessionRow(session),
  client: "claude-code",
  started_at: `2026-11-28T09:00:00.${session.replace(/\D/g, "").padStart(3, "0")}Z`,
  ...more,
});

/** A call that runs. */
export const runningCall = (id: string, more: JsonObject = {}): JsonObject => ({
  id,
  session: "s1",
  server: "files",
  method: "tools/call",
  tool: "read",
  duration_ms: 5,
  outcome: "running",
  ...more,
});

export const hello = (started_at = "2026-11-28T09:00:00.000Z"): WatchEvent => ({
  ...watchRows.hello(),
  version: "1.2.3",
  pid: 4711,
  started_at,
  address: { url: "ws://127.0.0.1:8765", notes: [] },
});

export const servers = (...rows: ServerStatus[]): WatchEvent => ({
  type: "servers",
  at_ms: 0,
  whole: true,
  rows: Object.fromEntries(rows.map((row) => [row.server, row])),
  gone: [],
});

export const sessions = (...rows: SessionStatus[]): WatchEvent => ({
  type: "sessions",
  at_ms: 0,
  whole: true,
  rows: Object.fromEntries(rows.map((row) => [row.session, row])),
  gone: [],
});

export const calls = (...calls: JsonObject[]): WatchEvent =>
  ({ type: "calls", at_ms: 0, whole: false, calls, left_out: 0 }) as WatchEvent;

export const sample = (more: Partial<SampleEvent> = {}): WatchEvent => ({
  ...watchRows.sample(),
  p50_ms: 12,
  memory: {
    daemon: 120 * 2 ** 20,
    servers: 300 * 2 ** 20,
    shims: 40 * 2 ** 20,
    processes: 7,
    shims_measured: 2,
  },
  saved: { processes: 4, bytes: 100 * 2 ** 20 },
  list_changes: [{ cause: "changed", server: "files", count: 2, last_at: "2026-11-28T09:00:00.000Z" }],
  ...more,
});

/** Three servers and two windows, one call that runs, one that waits and one that has failed. */
export const SCENE: readonly WatchEvent[] = [
  hello(),
  servers(
    serverRow("files", {
      pid: 100,
      scope: "machine",
      share_key: "a1",
      sessions: ["s1", "s2"],
      inflight: 1,
      calls: 7,
      memory_bytes: 50 * 2 ** 20,
      why: "its entry says so",
    }),
    serverRow("github", {
      state: "needs a login",
      sessions: ["s2"],
      cause: "nobody is signed in",
      advice: "exai-daemon auth login github",
    }),
    serverRow("idle", { state: "not started" }),
  ),
  sessions(
    sessionRow("s1", { window: "left", cwd: "/home/me/one", calls: 3, inflight: 1 }),
    sessionRow("s2", { client: "codex", cwd: "/home/me/two", calls: 4 }),
  ),
  calls(
    runningCall("c-1"),
    runningCall("c-2", { session: "s2", tool: "write", waits_for: "a slot of files" }),
    runningCall("c-0", { outcome: "tool_error", duration_ms: 1500, message: "no such file" }),
  ),
  sample(),
  { type: "notice", at_ms: 0, faults: ["github has failed"], notes: ["the disk is nearly full"] },
];
