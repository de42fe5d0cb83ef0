import type { HelloEvent, SampleEvent } from "../../lib/admin/watch_event.ts";
import type { ServerStatus, SessionStatus } from "../../lib/admin/status_rows.ts";

/** Lines and rows of `GET /watch`, for what reads them. */
export function hello(): HelloEvent {
  return {
    type: "hello",
    version: "2.0.0",
    pid: 4242,
    started_at: "2026-11-28T10:00:00.000Z",
    address: { url: "http://127.0.0.1:8765/", notes: [] },
    at_ms: 0,
  };
}

export function serverRow(server: string, state: ServerStatus["state"] = "running"): ServerStatus {
  return { server, state, sessions: [], calls: 0, inflight: 0, queued: 0 };
}

export function sessionRow(session: string): SessionStatus {
  return {
    session,
    client: "codex",
    connected: true,
    started_at: "2026-11-28T10:00:00.000Z",
    last_used_at: "2026-11-28T10:00:00.000Z",
    calls: 0,
    inflight: 0,
    bytes_in: 0,
    bytes_out: 0,
  };
}

export function sample(atMs = 0): SampleEvent {
  return {
    type: "sample",
    at_ms: atMs,
    interval_ms: 2000,
    calls: 4,
    failed: 1,
    p50_ms: 3,
    p95_ms: 80,
    inflight: 1,
    queued: 0,
    windows: 2,
    memory: { daemon: 60_000_000, servers: 300_000_000, shims: 40_000_000, processes: 6, shims_measured: 2 },
    saved: { processes: 4, bytes: 120_000_000 },
    list_changes: [],
  };
}
