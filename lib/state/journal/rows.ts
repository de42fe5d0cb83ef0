import { createHash } from "node:crypto";
import { MINUTE_MS, SECOND_MS } from "../../base/units.ts";
import type { JournalEntry } from "../../session/journal.ts";
import { jsonId, type RequestId } from "../../wire/rpc.ts";
import type { JournalStatements } from "./journal_statements.ts";
import { type JournalTail, readTail } from "./tail.ts";

/** The boot time is the difference of two clocks, and the wall clock may be adjusted. */
const BOOT_TOLERANCE_MS = MINUTE_MS;

/** A call whose client may still ask about it. */
export class TrackedCall implements JournalEntry {
  readonly id: RequestId;
  /** Its number in the tail of this process. */
  readonly number: number;
  /** Its row in the database, once written. */
  row: number | undefined;
  /** Its answer, until written to the database. */
  answer: string | undefined;

  constructor(id: RequestId, number: number, row?: number) {
    this.id = id;
    this.number = number;
    this.row = row;
  }

  /** @throws {TypeError} when another journal made the entry */
  static of(entry: JournalEntry): TrackedCall {
    if (entry instanceof TrackedCall) return entry;
    throw new TypeError("the entry is not of this journal");
  }
}

/** A session of this process. */
export interface TrackedSession {
  readonly tokenHash: Uint8Array;
  readonly calls: Set<TrackedCall>;
  /** Its row in the database, once written. */
  row: number | undefined;
}

/** What a session is found by: its resume token is a secret. */
export function hashOf(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}

/** Inserts `session` with the name of the tail that has its latest calls; its row. */
export function insertSession(
  sql: JournalStatements,
  { name }: JournalTail,
  session: TrackedSession,
): number {
  const { lastInsertRowid } = sql.addSession.run(session.tokenHash, name, Date.now());
  return session.row = Number(lastInsertRowid);
}

/** Writes a call of the session in row `session`, with its answer if that is not in the database yet. */
export function putCall(sql: JournalStatements, session: number, call: TrackedCall): void {
  call.row ??= Number(sql.addCall.run(session, JSON.stringify(jsonId(call.id))).lastInsertRowid);
  if (call.answer === undefined) return;
  sql.addAnswer.run(call.row, call.answer);
  call.answer = undefined;
}

export function deleteCall(sql: JournalStatements, row: number): void {
  sql.deleteAnswer.run(row);
  sql.deleteCall.run(row);
}

/** Writes the tail of a process that was killed to the database, and removes it. */
export function replayTail(sql: JournalStatements, path: string): void {
  const rows = new Map<number, number>();
  for (const line of readTail(path)) {
    if (line.kind === "begun") {
      rows.set(line.call, Number(sql.addCall.run(line.session, line.request).lastInsertRowid));
      continue;
    }
    const row = rows.get(line.call);
    if (row !== undefined) sql.addAnswer.run(row, line.text);
  }
  Deno.removeSync(path);
}

/** Deletes the oldest answers until the rest has at most `maxChars`. */
export function evictAnswers(sql: JournalStatements, maxChars: number): void {
  let excess = Number(sql.answersChars.get()?.chars ?? 0) - maxChars;
  if (excess <= 0) return;
  for (const { call, chars } of sql.answersByAge.all()) {
    if (excess <= 0) return;
    sql.deleteAnswer.run(Number(call));
    excess -= Number(chars);
  }
}

/**
 * Deletes the sessions of earlier boots. Nothing is synced, so their last writes may be missing, and a call that is
 * missing would count as one that never began.
 */
export function deleteOtherBoots(sql: JournalStatements): void {
  const bootMs = Date.now() - Deno.osUptime() * SECOND_MS;
  const known = sql.boot.get()?.at_ms;
  if (known !== undefined && Math.abs(Number(known) - bootMs) < BOOT_TOLERANCE_MS) return;
  if (known !== undefined) sql.deleteOldSessions.run(Number.MAX_SAFE_INTEGER);
  sql.deleteBoot.run();
  sql.setBoot.run(Math.round(bootMs));
}
