/** What has to be written before anything that relies on it leaves the process. */
let pending: (() => void)[] = [];

/**
 * Has `write` called once before the event loop turns, so that what a turn records is written in one piece. Nothing
 * of this turn may be sent before: senders call {@linkcode writeRecords} first.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { recordInTurn, writeRecords } from "./turn_end.ts";
 *
 * const written: string[] = [];
 * recordInTurn(() => written.push("record"));
 * assertEquals(written, []);
 * writeRecords();
 * assertEquals(written, ["record"]);
 * ```
 */
export function recordInTurn(write: () => void): void {
  if (pending.length === 0) queueMicrotask(writeRecords);
  pending.push(write);
}

/** Writes what {@linkcode recordInTurn} was given in this turn. Called before a message of the turn is sent. */
export function writeRecords(): void {
  if (pending.length === 0) return;
  const writes = pending;
  pending = [];
  for (const write of writes) write();
}
