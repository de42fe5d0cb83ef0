import { createHash } from "node:crypto";
import type { ShownRecord, ShownTexts } from "../../observe/call_store.ts";
import { heldTexts, textsOf } from "./pending_texts.ts";
import type { RecordStatements } from "./record_statements.ts";

/** Held in memory while the file cannot be written. */
const MAX_PENDING = 256;

/** The part of the file that texts of lists may take; the calls have the rest. */
const PART_OF_FILE = 0.25;

/** What sessions were shown and is not written yet. */
export class PendingShown {
  #pending: [ShownRecord, () => ShownTexts][] = [];
  /** Whether something was written since the file was pruned last. */
  hasGrown = false;

  add(record: ShownRecord, texts: () => ShownTexts): void {
    if (this.#pending.length < MAX_PENDING) this.#pending.push([record, texts]);
  }

  /** Writes it by `write`, in one transaction; holds a part of it where that does not succeed. */
  flush(write: (work: (sql: RecordStatements) => boolean) => boolean | undefined): void {
    if (this.#pending.length === 0) return;
    if (write((sql) => (this.#write(sql), true))) {
      this.#pending = [];
      this.hasGrown = true;
      return;
    }
    this.#pending = heldTexts(this.#pending);
  }

  /** Windows are shown the same lists: each text is kept once. */
  #write(sql: RecordStatements): void {
    for (const [{ session, atMs, method }, make] of this.#pending) {
      const texts = textsOf(make);
      if (!texts) continue;
      const { client, request, answer } = texts;
      const digest = createHash("sha256").update(answer).digest("base64url");
      sql.addShownText.run(digest, answer);
      sql.addShown.run(session, Math.round(atMs), client, method, request, digest);
    }
  }

  /** Deletes what was shown before `cutoffMs`, or the oldest call, to sessions without a call, and what is too much. */
  prune(sql: RecordStatements, { maxBytes, cutoffMs }: { maxBytes: number; cutoffMs: number }): void {
    this.hasGrown = false;
    const oldest = sql.call.get(Number(sql.oldest.get()?.id ?? -1));
    sql.deleteOldShown.run(Math.max(cutoffMs, Number(oldest?.ended_ms ?? 0)));
    sql.deleteLargeShown.run(maxBytes * PART_OF_FILE);
    sql.deleteStrayShownTexts.run();
  }
}
