import type { CallRecord } from "../../observe/call_record.ts";
import type { CallBodies, ExportedShown } from "../../observe/call_store.ts";
import { redactSecrets } from "../../observe/redaction.ts";

const MILLIONTHS = 1_000_000;

/** A value of a row. */
export type RowValue = number | string | null;

/** The values of the row of `record`, whose session and client have the number `origin`, its server and tool `target`. */
export function rowOf(
  record: CallRecord,
  { origin, target }: { origin: number; target: number },
): RowValue[] {
  return [
    record.id,
    Math.round(record.endedAtMs),
    Math.round(record.durationMs * 1000),
    origin,
    target,
    record.bytesIn,
    record.bytesOut,
    record.outcome === "ok" ? null : record.outcome,
    // The error message of a server may quote its arguments.
    record.message === undefined ? null : redactSecrets(record.message),
    record.spent?.inputTokens ?? null,
    record.spent?.outputTokens ?? null,
    record.spent?.usd === undefined ? null : Math.round(record.spent.usd * MILLIONTHS),
  ];
}

/** A row as SQLite gives it. */
export type RecordRow = Record<string, unknown>;

/** The call of a row. */
export function toRecord(row: RecordRow): CallRecord {
  return {
    id: Number(row.id),
    endedAtMs: Number(row.ended_ms),
    session: String(row.session),
    client: textOf(row.client),
    clientVersion: textOf(row.client_version),
    server: textOf(row.server),
    method: String(row.method),
    tool: String(row.tool),
    durationMs: Number(row.duration_us) / 1000,
    outcome: textOf(row.outcome) ?? "ok",
    bytesIn: Number(row.bytes_in),
    bytesOut: Number(row.bytes_out),
    message: textOf(row.message),
    ...(row.tokens_in === null ? {} : { spent: toSpent(row) }),
  };
}

function toSpent({ tokens_in, tokens_out, usd_millionths }: RecordRow): CallRecord["spent"] {
  const usd = usd_millionths === null ? {} : { usd: Number(usd_millionths) / MILLIONTHS };
  return { inputTokens: Number(tokens_in), outputTokens: Number(tokens_out), ...usd };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Arguments and answer of a row of bodies. */
export function toBodies(row: RecordRow): CallBodies {
  const { answer, client, events } = row;
  return {
    request: String(row.request),
    answer: textOf(answer),
    ...(client === null ? {} : { client: textOf(client) }),
    ...(events === null ? {} : { events: textOf(events) }),
  };
}

/** What a session was shown, of its row. */
export function toShown(row: RecordRow): ExportedShown {
  return {
    number: Number(row.number),
    session: String(row.session),
    atMs: Number(row.at_ms),
    method: String(row.method),
    client: String(row.client),
    request: String(row.request),
    answer: String(row.text),
  };
}
