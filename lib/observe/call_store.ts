import type { CallRecord } from "./call_record.ts";

/** Selects calls; a missing field matches every call. */
export interface CallFilter {
  /** Session id, or a prefix of it. */
  session?: string;
  server?: string;
  tool?: string;
  /** `ok`, `tool_error`, an error code; `failed` for all but `ok`. */
  outcome?: string;
  /** Only calls that began at this time or later, in milliseconds since 1970. */
  sinceMs?: number;
}

/** Arguments and result of a call as recorded: JSON, truncated, secrets redacted. */
export interface CallBodies {
  request: string;
  /** Undefined for a call without a result. */
  answer?: string;
}

/** The call history on disk. No method throws for a fault of the store: recording must not fail a call. */
export interface CallStore {
  /** Whether arguments and results are recorded. */
  readonly keepsBodies: boolean;
  /** Queues a call to be written; `bodies` is called when it is. */
  add(record: CallRecord, bodies?: () => CallBodies): void;
  /** The latest calls that match `filter`, oldest first. */
  list(filter: CallFilter, limit: number): CallRecord[];
  /** One call, with its bodies if they were recorded. */
  find(id: number): { record: CallRecord; bodies?: CallBodies } | undefined;
  /** The current fault of the store, in a sentence. */
  readonly fault: string | undefined;
}

/** Whether `record` matches every field of `filter`. */
export function matchesFilter(record: CallRecord, filter: CallFilter): boolean {
  const { session, server, tool, outcome, sinceMs } = filter;
  return (session === undefined || record.session.startsWith(session)) &&
    (server === undefined || record.server === server) &&
    (tool === undefined || record.tool === tool) &&
    (outcome === undefined || record.outcome === outcome ||
      (outcome === "failed" && record.outcome !== "ok")) &&
    (sinceMs === undefined || record.endedAtMs - record.durationMs >= sinceMs);
}
