import { ExaiError } from "../../base/errors.ts";
import { quoteName } from "../../base/text.ts";
import { HOUR_MS } from "../../base/units.ts";
import {
  type Identity,
  mayUse,
  OPERATOR,
  ownerKey,
  ownerKeysFor,
  ownerOf,
  type Viewer,
} from "../../call/owner.ts";
import type {
  Condensation,
  Recorded,
  ShowOptions,
  Thread,
  ThreadWithTurns,
  TurnEntry,
} from "../thread_store.ts";
import { type ThreadRow, type ThreadStatements, toThreadRow, toTurn } from "./thread_statements.ts";

export interface ThreadLimits {
  /** How long a thread is kept after its last use, in milliseconds. */
  timeoutMs: number;
  /** Exchanges in one thread. */
  maxTurns: number;
  /** Length of one exchange as JSON, in characters; a million by default. */
  maxTurnChars?: number;
  /** The clock, in milliseconds since 1970. */
  now?: () => number;
}

const DEFAULT_LIST_LIMIT = 100;
const MAX_TITLE_CHARS = 100;
const MAX_TURN_CHARS = 1_000_000;

/** The operations of a thread store on the statements of one open database. Each runs within a transaction. */
export class ThreadRows {
  readonly #sql: ThreadStatements;
  readonly #limits: ThreadLimits;
  readonly #now: () => number;

  constructor(sql: ThreadStatements, limits: ThreadLimits) {
    this.#sql = sql;
    this.#limits = limits;
    this.#now = limits.now ?? Date.now;
  }

  record(by: Identity, entry: TurnEntry): Recorded {
    const nowMs = this.#now();
    const id = entry.threadId === undefined
      ? this.#insertThread(by, entry, nowMs)
      : this.#open(by, entry.threadId).id;
    const request = JSON.stringify(entry.request);
    const reply = entry.reply === undefined ? null : JSON.stringify(entry.reply);
    this.#checkSize(request.length + (reply?.length ?? 0));
    const dropped = this.#dropSteps(id, entry);
    const run = this.#runFor(id, entry, request);
    const mark = entry.step ?? { number: null, branch: "", last: false };
    const key = [id, entry.tool, run, mark.branch, mark.number] as const;
    const replaced = this.#sql.hasStep.get(...key) !== undefined;
    if (!replaced) this.#checkRoom(id);
    this.#sql.putTurn.run(...key, Number(mark.last), request, reply, nowMs);
    this.#sql.touch.run(nowMs, id);
    const turns = this.#sql.turnsOfRun.all(id, entry.tool, run).map(toTurn);
    return { thread: this.#toThread(this.#find(id)), turns, replaced, dropped };
  }

  show(viewer: Viewer, id: string, options: ShowOptions = {}): ThreadWithTurns {
    const thread = this.#toThread(this.#open(viewer, id));
    const { tool } = options;
    const rows = tool === undefined
      ? this.#sql.turns.all(id)
      : this.#sql.turnsOfRun.all(id, tool, this.#currentRun(id, tool));
    return { thread, turns: rows.map(toTurn) };
  }

  condense(by: Identity, id: string, { of, drop, instead }: Condensation): boolean {
    this.#open(by, id);
    const seqs = this.#sql.turns.all(id).map(({ seq }) => Number(seq));
    if (seqs.length !== of || drop.length === 0) return false;
    for (const place of drop) this.#sql.deleteTurn.run(seqs[place]!);
    if (instead) {
      const request = JSON.stringify(instead.request);
      this.#sql.insertTurn.run(seqs[drop[0]!]!, id, instead.tool, request, this.#now());
    }
    return true;
  }

  list(viewer: Viewer, { limit = DEFAULT_LIST_LIMIT }: { limit?: number } = {}): Thread[] {
    const owners = ownerKeysFor(viewer);
    const rows = owners === undefined
      ? this.#sql.threads.all(this.#expiryMs(), limit)
      : this.#sql.threadsOf.all(this.#expiryMs(), JSON.stringify(owners), limit);
    return rows.map((row) => this.#toThread(toThreadRow(row)));
  }

  delete(viewer: Viewer, id: string): boolean {
    const row = this.#sql.thread.get(id, -Infinity);
    if (row === undefined || !isOpenTo(viewer, toThreadRow(row))) return false;
    return Number(this.#sql.deleteThread.run(id).changes) > 0;
  }

  deleteExpired(): number {
    return Number(this.#sql.deleteExpired.run(this.#expiryMs()).changes);
  }

  #insertThread(by: Identity, entry: TurnEntry, nowMs: number): string {
    this.deleteExpired();
    const id = crypto.randomUUID();
    const title = entry.title.replace(/[\p{Cc}\s]+/gu, " ").trim().slice(0, MAX_TITLE_CHARS);
    this.#sql.addThread.run(id, entry.tool, title, nowMs, nowMs, ownerKey(ownerOf(by)));
    return id;
  }

  /** A thread last used at this time or before is expired. */
  #expiryMs(): number {
    return this.#now() - this.#limits.timeoutMs;
  }

  /**
   * A thread that `viewer` may use. One without an owner becomes `viewer`'s.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND`, the same for a thread of another owner as for one that does not exist
   */
  #open(viewer: Viewer, id: string): ThreadRow {
    const row = this.#find(id);
    if (!isOpenTo(viewer, row)) throw this.#notFound(id);
    if (row.owner === null && viewer !== OPERATOR) this.#sql.adopt.run(ownerKey(ownerOf(viewer)), id);
    return row;
  }

  #find(id: string): ThreadRow {
    const row = this.#sql.thread.get(id, this.#expiryMs());
    if (row) return toThreadRow(row);
    throw this.#notFound(id);
  }

  #notFound(id: string): ExaiError {
    const hours = Number((this.#limits.timeoutMs / HOUR_MS).toFixed(2));
    return new ExaiError(
      "RESOURCE_NOT_FOUND",
      `there is no thread ${quoteName(id)} here: it never was, was deleted, was not used for ${hours} h ` +
        "(CONVERSATION_TIMEOUT_HOURS), or belongs to another workspace; continue it in the directory it was begun in, " +
        "or leave continuation_id out to begin a new one",
    );
  }

  #dropSteps(id: string, { tool, dropFrom }: TurnEntry): number {
    if (dropFrom === undefined) return 0;
    return Number(this.#sql.dropSteps.run(id, tool, this.#currentRun(id, tool), dropFrom).changes);
  }

  #currentRun(id: string, tool: string): number {
    return Number(this.#sql.currentRun.get(id, tool)?.run ?? 1);
  }

  #runFor(id: string, { tool, step }: TurnEntry, request: string): number {
    const run = this.#currentRun(id, tool);
    if (step?.number !== 1 || step.branch !== "") return run;
    const isSentAgain = this.#sql.hasStep.get(id, tool, run, "", 1)?.request === request;
    return !isSentAgain && this.#sql.isFinished.get(id, tool, run) !== undefined ? run + 1 : run;
  }

  #checkSize(chars: number): void {
    const { maxTurnChars = MAX_TURN_CHARS } = this.#limits;
    if (chars <= maxTurnChars) return;
    throw new ExaiError(
      "TOO_LARGE",
      `this exchange has ${chars} characters, a thread takes ${maxTurnChars} at a time; send a summary, or name ` +
        "files instead of quoting them",
    );
  }

  #checkRoom(id: string): void {
    const { turns } = this.#find(id);
    if (turns < this.#limits.maxTurns) return;
    throw new ExaiError(
      "TOO_LARGE",
      `this thread is full: it holds ${turns} exchanges (MAX_CONVERSATION_TURNS); leave continuation_id out to ` +
        "begin a new thread and say in it what matters of this one",
    );
  }

  #toThread({ id, tool, title, createdAtMs, usedAtMs, turns }: ThreadRow): Thread {
    const expiresAtMs = usedAtMs + this.#limits.timeoutMs;
    const remainingTurns = Math.max(0, this.#limits.maxTurns - turns);
    return { id, tool, title, createdAtMs, usedAtMs, expiresAtMs, turns, remainingTurns };
  }
}

function isOpenTo(viewer: Viewer, { owner }: ThreadRow): boolean {
  return owner === null || mayUse(viewer, owner);
}
