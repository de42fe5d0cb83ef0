import type { CallRecord } from "./call_record.ts";

/** Which calls are wanted; what is left out excludes nothing. */
export interface CallFilter {
  /** Session id, or its beginning. */
  session?: string;
  server?: string;
  tool?: string;
  /** `ok`, `tool_error`, a code; `failed` for all but `ok`. */
  outcome?: string;
  /** No call that began before, in milliseconds since 1970. */
  sinceMs?: number;
}

/** What was said in a call, as far as it was recorded: JSON, cut and with secrets taken out. */
export interface CallBodies {
  request: string;
  /** Undefined when it had no answer. */
  answer?: string;
}

/** Every call of the last days. Nothing in it throws for its own faults: a call is never hurt by being recorded. */
export interface CallStore {
  /** Whether what was said is recorded too. */
  readonly keepsBodies: boolean;
  /** Takes note of a call; written a moment later. `bodies` is asked then, for what was said. */
  add(record: CallRecord, bodies?: () => CallBodies): void;
  /** The latest calls that pass `filter`, oldest first. */
  list(filter: CallFilter, limit: number): CallRecord[];
  /** One call, with what was said in it. */
  find(id: number): { record: CallRecord; bodies?: CallBodies } | undefined;
  /** What is wrong with it now, in a sentence. */
  readonly fault: string | undefined;
}

/** Whether `record` passes `filter`. */
export function matchesFilter(record: CallRecord, filter: CallFilter): boolean {
  const { session, server, tool, outcome, sinceMs } = filter;
  return (session === undefined || record.session.startsWith(session)) &&
    (server === undefined || record.server === server) &&
    (tool === undefined || record.tool === tool) &&
    (outcome === undefined || record.outcome === outcome ||
      (outcome === "failed" && record.outcome !== "ok")) &&
    (sinceMs === undefined || record.endedAtMs - record.durationMs >= sinceMs);
}
