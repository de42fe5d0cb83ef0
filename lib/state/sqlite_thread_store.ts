import { ExaiError } from "../base/errors.ts";
import { quoteName } from "../base/suggest.ts";
import { HOUR_MS } from "../base/units.ts";
import {
  type Identity,
  mayUse,
  OPERATOR,
  ownerKey,
  ownerKeysFor,
  ownerOf,
  type Viewer,
} from "../call/owner.ts";
import { IN_MEMORY, type Lock } from "./sqlite/sql.ts";
import { type DatabaseEvents, ResilientDatabase } from "./resilient_database.ts";
import { MIGRATIONS } from "./threads/migrations.ts";
import { prepareStatements, type ThreadRow, type ThreadStatements, toTurn } from "./threads/statements.ts";
import type {
  Recorded,
  ShowOptions,
  Thread,
  ThreadStore,
  ThreadWithTurns,
  TurnEntry,
} from "./thread_store.ts";

/** Where threads are kept, how long and how many exchanges each. */
export interface ThreadStoreOptions extends DatabaseEvents {
  /** Database file; made, with its directory, if it is not there. Absent: in memory, gone with the process. */
  path?: string;
  /** How long a thread is kept after its last use, in milliseconds. */
  timeoutMs: number;
  /** Exchanges one thread holds. */
  maxTurns: number;
  /** Length of one exchange as JSON, in characters; a million unless said otherwise. */
  maxTurnChars?: number;
  /** The time, in milliseconds since 1970. */
  now?: () => number;
}

/** Threads in a file, which may have faults. */
interface KeptThreadStore extends ThreadStore {
  /** What is wrong with the file now, in a sentence; every operation fails with it. */
  readonly fault: string | undefined;
}

const DEFAULT_LIST_LIMIT = 100;
const MAX_TITLE_CHARS = 100;
const MAX_TURN_CHARS = 1_000_000;

/**
 * Opens the threads kept in a SQLite database. A file that is damaged, newer or not ours is put aside and a new one
 * begun; one that cannot be reached is a {@linkcode KeptThreadStore.fault}, and tried again.
 */
export function openThreadStore(options: ThreadStoreOptions): KeptThreadStore {
  return new SqliteThreadStore(options);
}

class SqliteThreadStore implements KeptThreadStore {
  readonly #file: ResilientDatabase<ThreadStatements>;
  /** Of the file that is open; a new one when a damaged file was put aside. */
  #sql!: ThreadStatements;
  readonly #options: ThreadStoreOptions;
  readonly #now: () => number;
  #closed = false;

  constructor(options: ThreadStoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#file = new ResilientDatabase({
      path: options.path ?? IN_MEMORY,
      what: "the database of threads",
      migrations: MIGRATIONS,
      prepare: (db) => this.#sql = prepareStatements(db),
      isDurable: true,
      onchange: options.onchange,
      onquarantine: options.onquarantine,
    });
    this.#file.open();
  }

  get fault(): string | undefined {
    return this.#file.fault;
  }

  record(by: Identity, entry: TurnEntry): Promise<Recorded> {
    return this.#atomically("write", () => {
      const nowMs = this.#now();
      const id = entry.threadId === undefined
        ? this.#begin(by, entry, nowMs)
        : this.#open(by, entry.threadId).id;
      const request = JSON.stringify(entry.request);
      const reply = entry.reply === undefined ? null : JSON.stringify(entry.reply);
      this.#checkSize(request.length + (reply?.length ?? 0));
      const dropped = this.#drop(id, entry);
      const run = this.#runFor(id, entry, request);
      const mark = entry.step ?? { number: null, branch: "", last: false };
      const key = [id, entry.tool, run, mark.branch, mark.number] as const;
      const replaced = this.#sql.hasStep.get(...key) !== undefined;
      if (!replaced) this.#checkRoom(id);
      this.#sql.putTurn.run(...key, Number(mark.last), request, reply, nowMs);
      this.#sql.touch.run(nowMs, id);
      const turns = this.#sql.turnsOfRun.all(id, entry.tool, run).map(toTurn);
      return { thread: this.#toThread(this.#live(id)), turns, replaced, dropped };
    });
  }

  show(viewer: Viewer, id: string, options: ShowOptions = {}): Promise<ThreadWithTurns> {
    return this.#atomically("read", () => {
      const thread = this.#toThread(this.#open(viewer, id));
      const { tool, forExchange = false } = options;
      if (forExchange) this.#checkRoom(id);
      const rows = tool === undefined
        ? this.#sql.turns.all(id)
        : this.#sql.turnsOfRun.all(id, tool, this.#currentRun(id, tool));
      return { thread, turns: rows.map(toTurn) };
    });
  }

  list(viewer: Viewer, options: { limit?: number } = {}): Promise<Thread[]> {
    return this.#atomically("read", () => {
      const { limit = DEFAULT_LIST_LIMIT } = options;
      const owners = ownerKeysFor(viewer);
      const rows = owners === undefined
        ? this.#sql.threads.all(this.#expiryMs(), limit)
        : this.#sql.threadsOf.all(this.#expiryMs(), JSON.stringify(owners), limit);
      return (rows as unknown as ThreadRow[]).map((row) => this.#toThread(row));
    });
  }

  delete(viewer: Viewer, id: string): Promise<boolean> {
    return this.#atomically("write", () => {
      const row = this.#sql.thread.get(id, -Infinity) as ThreadRow | undefined;
      if (row === undefined || !isOpenTo(viewer, row)) return false;
      return Number(this.#sql.deleteThread.run(id).changes) > 0;
    });
  }

  deleteExpired(): Promise<number> {
    return this.#atomically("write", () => this.#sweep());
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file[Symbol.dispose]();
  }

  /** SQLite works at once, but the contract must also fit a store that is asked over a network. */
  #atomically<T>(lock: Lock, work: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (this.#closed) {
        throw new ExaiError("SHUTTING_DOWN", "the thread store is closed; the daemon is stopping");
      }
      resolve(this.#file.run(lock, work));
    });
  }

  #begin(by: Identity, entry: TurnEntry, nowMs: number): string {
    this.#sweep();
    const id = crypto.randomUUID();
    const title = entry.title.replace(/[\p{Cc}\s]+/gu, " ").trim().slice(0, MAX_TITLE_CHARS);
    this.#sql.addThread.run(id, entry.tool, title, nowMs, nowMs, ownerKey(ownerOf(by)));
    return id;
  }

  #sweep(): number {
    return Number(this.#sql.deleteExpired.run(this.#expiryMs()).changes);
  }

  /** Threads last used at this moment or before are expired. */
  #expiryMs(): number {
    return this.#now() - this.#options.timeoutMs;
  }

  /**
   * A thread that `viewer` may use. One that belongs to nobody is `viewer`'s from now on.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND`, the same for a thread of others as for one that is not there
   */
  #open(viewer: Viewer, id: string): ThreadRow {
    const row = this.#live(id);
    if (!isOpenTo(viewer, row)) throw this.#notFound(id);
    if (row.owner === null && viewer !== OPERATOR) this.#sql.adopt.run(ownerKey(ownerOf(viewer)), id);
    return row;
  }

  #live(id: string): ThreadRow {
    const row = this.#sql.thread.get(id, this.#expiryMs()) as ThreadRow | undefined;
    if (row) return row;
    throw this.#notFound(id);
  }

  #notFound(id: string): ExaiError {
    const hours = Number((this.#options.timeoutMs / HOUR_MS).toFixed(2));
    return new ExaiError(
      "RESOURCE_NOT_FOUND",
      `there is no thread ${quoteName(id)} here: it never was, was deleted, was not used for ${hours} h ` +
        "(CONVERSATION_TIMEOUT_HOURS), or belongs to another workspace; continue it in the directory it was begun in, " +
        "or leave continuation_id out to begin a new one",
    );
  }

  #drop(id: string, { tool, dropFrom }: TurnEntry): number {
    if (dropFrom === undefined) return 0;
    return Number(this.#sql.dropSteps.run(id, tool, this.#currentRun(id, tool), dropFrom).changes);
  }

  #currentRun(id: string, tool: string): number {
    const { run } = this.#sql.currentRun.get(id, tool) as { run: number | null };
    return run ?? 1;
  }

  #runFor(id: string, { tool, step }: TurnEntry, request: string): number {
    const run = this.#currentRun(id, tool);
    if (step?.number !== 1 || step.branch !== "") return run;
    const first = this.#sql.hasStep.get(id, tool, run, "", 1) as { request: string } | undefined;
    const isSentAgain = first?.request === request;
    return !isSentAgain && this.#sql.isFinished.get(id, tool, run) !== undefined ? run + 1 : run;
  }

  #checkSize(chars: number): void {
    const { maxTurnChars = MAX_TURN_CHARS } = this.#options;
    if (chars <= maxTurnChars) return;
    throw new ExaiError(
      "TOO_LARGE",
      `this exchange has ${chars} characters, a thread takes ${maxTurnChars} at a time; send a summary, or name ` +
        "files instead of quoting them",
    );
  }

  #checkRoom(id: string): void {
    const { turns } = this.#live(id);
    if (turns < this.#options.maxTurns) return;
    throw new ExaiError(
      "TOO_LARGE",
      `this thread is full: it holds ${turns} exchanges (MAX_CONVERSATION_TURNS); leave continuation_id out to ` +
        "begin a new thread and say in it what matters of this one",
    );
  }

  #toThread(row: ThreadRow): Thread {
    return {
      id: row.id,
      tool: row.tool,
      title: row.title,
      createdAtMs: row.created_at_ms,
      usedAtMs: row.used_at_ms,
      expiresAtMs: row.used_at_ms + this.#options.timeoutMs,
      turns: row.turns,
      remainingTurns: Math.max(0, this.#options.maxTurns - row.turns),
    };
  }
}

function isOpenTo(viewer: Viewer, { owner }: ThreadRow): boolean {
  return owner === null || mayUse(viewer, owner);
}
