import type { Json, JsonObject } from "../base/json.ts";
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
  /** The arguments of `tools/call`, otherwise the params. */
  request: string;
  /** Undefined for a call without a result. */
  answer?: string;
  /** What its client said of itself: JSON of {@linkcode ClientFacts}. Undefined in records of earlier versions. */
  client?: string;
  /** What was said while it ran: JSON of a list of {@linkcode CallEvent}. Undefined: nothing. */
  events?: string;
}

/** What a client says of itself, and what was agreed with it. */
export interface ClientFacts {
  name?: string;
  version?: string;
  era: string;
  /** The MCP revision. */
  revision?: string;
  capabilities: JsonObject;
}

/** A notification that a client was sent on behalf of its call, or a question it was asked. */
export interface CallEvent {
  /** How long after the call began, in milliseconds. */
  after_ms: number;
  kind: "notification" | "question";
  method: string;
  /** As recorded: redacted, and a text where it was cut. */
  params: Json;
  /** What the client answered to a question: its result, or `{error}`. */
  answer?: Json;
}

/** What a session was shown: the answer to `initialize`, or to a list. */
export interface ShownRecord {
  session: string;
  /** In milliseconds since 1970. */
  atMs: number;
  method: string;
}

/** What belongs to a {@linkcode ShownRecord}: JSON, secrets redacted. */
export interface ShownTexts {
  client: string;
  /** The params. */
  request: string;
  answer: string;
}

/** A call, or something shown, as an export has it. */
export type ExportedCall = { record: CallRecord; bodies?: CallBodies };
export type ExportedShown = ShownRecord & ShownTexts & { number: number };

/** Some calls of the record, by their ids in ascending order, and the last that was looked at. */
export interface RecordedIds {
  ids: { id: number; hasBodies: boolean }[];
  last: number;
}

/** The call history on disk. No method throws for a fault of the store: recording must not fail a call. */
export interface CallStore {
  /** Whether arguments and results are recorded. */
  readonly keepsBodies: boolean;
  /** Queues a call to be written; `bodies` is called when it is. */
  add(record: CallRecord, bodies?: () => CallBodies): void;
  /** Queues something that a session was shown; `texts` is called when it is written. Ignored without bodies. */
  addShown(record: ShownRecord, texts: () => ShownTexts): void;
  /**
   * Which of the `limit` calls after the call `afterId` are of sessions whose ids begin with `session`; undefined: there is
   * none after it.
   */
  idsAfter(session: string, afterId: number, limit: number): RecordedIds | undefined;
  /** What such sessions were shown next after `number`. */
  shownAfter(session: string, number: number): ExportedShown | undefined;
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
