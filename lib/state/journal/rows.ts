import { MINUTE_MS, SECOND_MS } from "../../base/units.ts";
import type { JournalEntry } from "../../session/journal.ts";
import type { JournalStatements } from "./statements.ts";
import { type JournalTail, readTail } from "./tail.ts";

/** When this machine started is reckoned from two clocks, one of which may be put right. */
const BOOT_TOLERANCE_MS = MINUTE_MS;

/** A call somebody may still ask about. */
export interface KeptCall extends JournalEntry {
  readonly n: number;
  /** Its row in the database, once it is there. */
  row?: number;
  /** Its answer, as long as it is not in the database. */
  answer?: string;
}

export interface KeptSession {
  readonly tokenHash: Uint8Array;
  readonly calls: Set<KeptCall>;
  row: number | undefined;
}

/** Writes down that `session` is there, and which tail has the last of it. */
export function addSession(sql: JournalStatements, { name }: JournalTail, session: KeptSession): void {
  const { lastInsertRowid } = sql.addSession.run(session.tokenHash, name, Date.now());
  session.row = Number(lastInsertRowid);
}

/** Writes a call of the session in row `session` down, with its answer if that is not there yet. */
export function putCall(sql: JournalStatements, session: number, call: KeptCall): void {
  call.row ??= Number(sql.addCall.run(session, JSON.stringify(call.id)).lastInsertRowid);
  if (call.answer === undefined) return;
  sql.addAnswer.run(call.row, call.answer);
  call.answer = undefined;
}

export function deleteCall(sql: JournalStatements, row: number): void {
  sql.deleteAnswer.run(row);
  sql.deleteCall.run(row);
}

/** Brings what a process that was killed has left into the database. */
export function takeTail(sql: JournalStatements, path: string): void {
  const rows = new Map<number, number>();
  for (const line of readTail(path)) {
    if (line.kind === "begun") {
      rows.set(line.n, Number(sql.addCall.run(line.session, line.request).lastInsertRowid));
    } else if (rows.has(line.n)) sql.addAnswer.run(rows.get(line.n)!, line.text);
  }
  Deno.removeSync(path);
}

/** Drops the oldest answers until the rest is no larger than `maxChars`. */
export function makeRoom(sql: JournalStatements, maxChars: number): void {
  let excess = Number(sql.answersChars.get()?.chars ?? 0) - maxChars;
  if (excess <= 0) return;
  for (const { call, chars } of sql.answersByAge.all()) {
    if (excess <= 0) return;
    sql.deleteAnswer.run(call!);
    excess -= Number(chars);
  }
}

/** After the machine has failed the last writes may be missing, and calls would be taken for such as never began. */
export function forgetOtherBoots(sql: JournalStatements): void {
  const bootMs = Date.now() - Deno.osUptime() * SECOND_MS;
  const known = sql.boot.get()?.at_ms;
  if (known !== undefined && Math.abs(Number(known) - bootMs) < BOOT_TOLERANCE_MS) return;
  if (known !== undefined) sql.deleteOldSessions.run(Number.MAX_SAFE_INTEGER);
  sql.deleteBoot.run();
  sql.setBoot.run(Math.round(bootMs));
}
