import type { StatementSync } from "node:sqlite";
import { MINUTE_MS } from "../base/units.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type {
  CallBodies,
  CallFilter,
  CallStore,
  ExportedCall,
  ExportedShown,
  RecordedIds,
  ShownRecord,
  ShownTexts,
} from "../observe/call_store.ts";
import type { CallRecord } from "../observe/call_record.ts";
import { NameNumbers } from "./records/name_numbers.ts";
import { PendingBodies } from "./records/pending_texts.ts";
import { PendingShown } from "./records/pending_shown.ts";
import { type RecordRow, rowOf, type RowValue, toBodies, toRecord, toShown } from "./records/record_rows.ts";
import {
  MIGRATIONS,
  prepareStatements,
  type RecordStatements,
  ROWS_AT_ONCE,
} from "./records/record_statements.ts";
import { type DatabaseEvents, ResilientDatabase } from "./resilient_database.ts";

export interface CallRecordsOptions extends DatabaseEvents {
  /** Database file, created if missing. */
  path: string;
  /** How long a call is kept, in milliseconds. */
  maxAgeMs: number;
  /** Size of the file; the oldest calls are deleted beyond it. */
  maxBytes: number;
  /** Whether arguments and answers are recorded too. */
  withBodies: boolean;
  /** How long after a fault the file is tried again, in milliseconds; 5 s by default. */
  retryMs?: number;
  /** The clock, in milliseconds since 1970. */
  now?: () => number;
}

/** How long a call waits for others of its batch. */
const FLUSH_MS = 100;
/** A batch of this size takes a fraction of a millisecond. */
const MAX_BATCH = 128;
/** Calls held in memory while the file cannot be written. */
const MAX_PENDING = 4096;
const PRUNE_MS = MINUTE_MS;
/** Most rows deleted in one transaction, so that calls do not wait long for it. */
const PRUNE_ROWS = 2000;

/** The record of calls in its own SQLite file, written in batches off the path of the calls. */
export class SqliteCallRecords implements CallStore, Disposable {
  readonly #options: CallRecordsOptions;
  readonly #file: ResilientDatabase<RecordStatements>;
  readonly #origins = new NameNumbers();
  readonly #targets = new NameNumbers();
  readonly #pruner: ReturnType<typeof setInterval>;
  readonly #shown = new PendingShown();
  #pending: CallRecord[] = [];
  readonly #bodies = new PendingBodies();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pruneTimer: ReturnType<typeof setTimeout> | undefined;
  #lost = 0;
  #hasDeleted = false;

  /** Opens the file. One that cannot be used is a {@linkcode fault}, not an error. */
  constructor(options: CallRecordsOptions) {
    this.#options = options;
    this.#file = new ResilientDatabase({
      path: options.path,
      what: "the record of calls",
      migrations: MIGRATIONS,
      prepare: prepareStatements,
      retryMs: options.retryMs,
      onOpen: () => this.#forgetNumbers(),
      onChange: () => {
        if (this.#pending.length > 0) this.#flushSoon();
        options.onChange?.();
      },
      onQuarantine: options.onQuarantine,
    });
    this.#file.open();
    this.#pruner = setInterval(() => this.prune(), PRUNE_MS);
    Deno.unrefTimer(this.#pruner);
  }

  get fault(): string | undefined {
    const { fault } = this.#file;
    return fault && (this.#lost > 0 ? `${fault}; ${this.#lost} calls are not in it` : fault);
  }

  get keepsBodies(): boolean {
    return this.#options.withBodies;
  }

  add(record: CallRecord, bodies?: () => CallBodies): void {
    this.#pending.push(record);
    if (bodies) this.#bodies.add(record, bodies);
    if (this.#pending.length >= MAX_BATCH && this.#file.fault === undefined) this.#flush();
    else this.#flushSoon();
  }

  list(filter: CallFilter, limit: number): CallRecord[] {
    this.#flush();
    const { session, server, tool, outcome, sinceMs } = filter;
    const values = {
      session,
      server,
      tool,
      outcome,
      since: sinceMs === undefined ? null : Math.floor(sinceMs),
    };
    const bound = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value ?? null]));
    const rows = this.#file.use((sql) => sql.calls.all({ ...bound, limit })) ?? [];
    return rows.reverse().map(toRecord);
  }

  find(id: number): { record: CallRecord; bodies?: CallBodies } | undefined {
    this.#flush();
    return this.#file.use((sql) => {
      const row = sql.call.get(id);
      return row && withBodies(sql, row);
    });
  }

  addShown(record: ShownRecord, texts: () => ShownTexts): void {
    if (!this.keepsBodies) return;
    this.#shown.add(record, texts);
    this.#flushSoon();
  }

  idsAfter(session: string, afterId: number, limit: number): RecordedIds | undefined {
    this.#flush();
    return this.#file.use((sql) => {
      const last = sql.lastAfter.get(afterId, limit)?.id ?? null;
      if (last === null) return undefined;
      const rows = sql.idsBetween.all(afterId, Number(last), session);
      return {
        last: Number(last),
        ids: rows.map(({ id, has_bodies }) => ({ id: Number(id), hasBodies: has_bodies === 1 })),
      };
    });
  }

  shownAfter(session: string, number: number): ExportedShown | undefined {
    this.#flush();
    return this.#file.use((sql) => {
      const row = sql.shownAfter.get(number, session);
      return row && toShown(row);
    });
  }

  /** Deletes calls beyond the age or size limit, a part at a time. */
  prune(nowMs = (this.#options.now ?? Date.now)()): void {
    const more = this.#file.write((sql) => {
      const end = this.#pruneEnd(sql, nowMs);
      if (end === undefined) return false;
      sql.deleteBodies.run(end);
      return Number(sql.deleteCalls.run(end).changes) > 0;
    });
    clearTimeout(this.#pruneTimer);
    if (more) this.#hasDeleted = true;
    if (more) this.#pruneTimer = setTimeout(() => this.prune(nowMs), 0);
    else this.#deleteUnused(Math.floor(nowMs - this.#options.maxAgeMs));
  }

  /** Writes pending calls and closes the file. */
  [Symbol.dispose](): void {
    clearInterval(this.#pruner);
    clearTimeout(this.#pruneTimer);
    this.#flush();
    clearTimeout(this.#timer);
    this.#file[Symbol.dispose]();
  }

  #flushSoon(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#flush(), FLUSH_MS);
    // Dispose flushes; a pending call alone does not keep the process alive.
    Deno.unrefTimer(this.#timer);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#shown.flush((work) => this.#file.write(work));
    const batch = this.#pending;
    if (batch.length === 0) return;
    this.#pending = [];
    const done = this.#file.write((sql) => {
      this.#write(sql, batch);
      return true;
    });
    if (done) {
      this.#lost = 0;
      return;
    }
    // Numbers assigned in the transaction that failed are void.
    this.#forgetNumbers();
    this.#pending = batch.slice(-MAX_PENDING);
    this.#lost += batch.length - this.#pending.length;
    this.#bodies.hold(this.#pending);
  }

  #write(sql: RecordStatements, batch: readonly CallRecord[]): void {
    const values: RowValue[] = [];
    let waiting = 0;
    for (const record of batch) {
      values.push(...this.#valuesOf(sql, record));
      if (++waiting < ROWS_AT_ONCE) continue;
      sql.addCalls.run(...values);
      values.length = waiting = 0;
    }
    const columns = values.length / (waiting || 1);
    for (let at = 0; at < values.length; at += columns) sql.addCall.run(...values.slice(at, at + columns));
    for (const record of this.keepsBodies ? batch : []) {
      const bodies = this.#bodies.of(record);
      if (!bodies) continue;
      const { request, answer = null, client = null, events = null } = bodies;
      sql.addBody.run(record.id, request, answer, client, events);
    }
  }

  /** The values of one row. */
  #valuesOf(sql: RecordStatements, record: CallRecord): RowValue[] {
    const { session, client = "", clientVersion = "", server = "", method, tool } = record;
    return rowOf(record, {
      origin: this.#origins.of([session, client, clientVersion], sql.addOrigin),
      target: this.#targets.of([server, method, tool], sql.addTarget),
    });
  }

  #forgetNumbers(): void {
    this.#origins.clear();
    this.#targets.clear();
  }

  /** The id before which calls are deleted next; undefined when nothing is to be deleted. */
  #pruneEnd(sql: RecordStatements, nowMs: number): number | undefined {
    const oldest = sql.oldest.get()?.id;
    if (oldest === undefined) return undefined;
    if (this.#bytes(sql) > this.#options.maxBytes) return this.#partEnd(sql);
    const cutoffMs = Math.floor(nowMs - this.#options.maxAgeMs);
    const young = Number(sql.firstSince.get(cutoffMs)?.id ?? Number.MAX_SAFE_INTEGER);
    if (young <= Number(oldest)) return undefined;
    return Math.min(this.#partEnd(sql) ?? Number.MAX_SAFE_INTEGER, young);
  }

  /** The id after the oldest calls that one transaction deletes; the latest call is never among them. */
  #partEnd(sql: RecordStatements): number | undefined {
    const most = this.#options.withBodies ? PRUNE_ROWS / 100 : PRUNE_ROWS;
    for (let rows = most; rows >= 1; rows = Math.floor(rows / 2)) {
      const end = sql.idAfterOldest.get(rows)?.id;
      if (end !== undefined) return Number(end);
    }
    return undefined;
  }

  /** The size of the pages in use: deletion frees pages of the file, not space on the disk. */
  #bytes(sql: RecordStatements): number {
    const value = (statement: StatementSync) => Number(Object.values(statement.get()!)[0]);
    return (value(sql.pageCount) - value(sql.freePages)) * value(sql.pageSize);
  }

  /** Deletes the sessions and tools that deleted calls have left without any call, and what those were shown. */
  #deleteUnused(cutoffMs: number): void {
    if (!this.#hasDeleted && !this.#shown.hasGrown) return;
    this.#hasDeleted = false;
    this.#forgetNumbers();
    this.#file.write((sql) => {
      sql.deleteStrayOrigins.run();
      sql.deleteStrayTargets.run();
      this.#shown.prune(sql, { maxBytes: this.#options.maxBytes, cutoffMs });
    });
  }
}

/** Opens the record of calls as the settings say; undefined when it is off. */
export function openCallRecords(
  settings: Settings,
  paths: StatePaths,
  options: DatabaseEvents & Pick<CallRecordsOptions, "now"> = {},
): SqliteCallRecords | undefined {
  if (!settings.calls) return undefined;
  return new SqliteCallRecords({
    path: paths.calls,
    maxAgeMs: settings.callsMaxAgeMs,
    maxBytes: settings.callsMaxBytes,
    withBodies: settings.callsBodies,
    ...options,
  });
}

function withBodies(sql: RecordStatements, row: RecordRow): ExportedCall {
  const record = toRecord(row);
  const body = sql.body.get(record.id);
  return { record, bodies: body && toBodies(body) };
}
