import type { JsonObject } from "../base/json.ts";
import type { DaemonStatus, ServerStatus, SessionStatus } from "./status_rows.ts";
import type { ListChangeRow } from "./list_changes.ts";

/**
 * One line of `GET /watch` (NDJSON): what has changed since the line before of its kind. A reader that falls behind is
 * left out of lines and then told the whole again, with `whole`.
 */
export type WatchEvent =
  | HelloEvent
  | ServersEvent
  | SessionsEvent
  | CallsEvent
  | SampleEvent
  | NoticeEvent
  | LogEvent;

/** The first line: of which daemon all that follows is. Another `started_at` is another daemon. */
export interface HelloEvent extends JsonObject {
  type: "hello";
  version: string;
  pid: number;
  started_at: string;
  address: DaemonStatus["address"];
  /** When the line was written, in milliseconds of the daemon's monotonic clock; `at_ms` of others is on the same. */
  at_ms: number;
}

/**
 * Rows of servers by key: `SERVER` or, for a process, `SERVER#SHARE_KEY`; one that ends beside its successor has
 * `#PID` behind. The name of the server is in the row.
 */
export interface ServersEvent extends JsonObject {
  type: "servers";
  at_ms: number;
  /** Whether `rows` are all there are; those of before are void. */
  whole: boolean;
  rows: Record<string, ServerStatus>;
  gone: string[];
}

/** Rows of sessions by session id. */
export interface SessionsEvent extends JsonObject {
  type: "sessions";
  at_ms: number;
  whole: boolean;
  rows: Record<string, SessionStatus>;
  gone: string[];
}

/** Calls that began, wait or ended, as `GET /calls` gives them; one that runs has the outcome `running`. */
export interface CallsEvent extends JsonObject {
  type: "calls";
  at_ms: number;
  /** Whether these are all that run: others that were shown as running have ended meanwhile. */
  whole: boolean;
  calls: JsonObject[];
  /** How many were left out, as the reader or the line was full. */
  left_out: number;
}

/** Measurements of the last interval, every two seconds. */
export interface SampleEvent extends JsonObject {
  type: "sample";
  at_ms: number;
  interval_ms: number;
  /** Calls that ended in the interval, and failed ones among them. */
  calls: number;
  failed: number;
  /** Of the durations of these, in milliseconds; undefined where none ended. */
  p50_ms?: number;
  p95_ms?: number;
  inflight: number;
  queued: number;
  windows: number;
  memory: MemorySample;
  saved: SavedSample;
  list_changes: ListChangeRow[];
}

/** Resident memory in bytes; undefined where it is not known yet or cannot be measured here. */
export interface MemorySample extends JsonObject {
  daemon: number;
  servers?: number;
  shims?: number;
  /** Processes of servers, with all they have started. */
  processes?: number;
  /** How many shims were measured, of the windows there are. */
  shims_measured?: number;
}

/**
 * What is saved against one copy of each process per session: for each process that k connected sessions share, k-1
 * times what it is measured to take with all it has started, less the daemon, its watchdog and the shims. Negative where
 * EXAI takes more than it saves: that is shown as a cost, see {@linkcode describeSaved}.
 */
export interface SavedSample extends JsonObject {
  processes?: number;
  bytes?: number;
  /** Which memory `bytes` are: `private`, which no other copy has, or `resident` where the system tells no more. */
  counted?: "private" | "resident";
  /** What could not be measured, in a sentence. */
  note?: string;
}

/** Faults and notes of the health report, all of them, when they change. */
export interface NoticeEvent extends JsonObject {
  type: "notice";
  at_ms: number;
  faults: string[];
  notes: string[];
}

/** Lines of the log of a server (`?log=NAME`) or of the daemon (`?log=daemon`), redacted as in the file. */
export interface LogEvent extends JsonObject {
  type: "log";
  at_ms: number;
  lines: string[];
  /** Why there are none, or not all, in a sentence. */
  why?: string;
}
