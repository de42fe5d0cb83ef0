import { timingSafeEqual } from "node:crypto";
import { dirname } from "@std/path";
import { recordInTurn, writeRecords } from "../base/turn_end.ts";
import { HOUR_MS, KIB, MIB, SECOND_MS } from "../base/units.ts";
import type {
  CallJournal,
  JournaledCall,
  RecordOptions,
  RecoveredSession,
  SessionJournal,
} from "../session/journal.ts";
import { jsonId, readRequestId, type RequestId } from "../wire/rpc.ts";
import { type JournalStatements, MIGRATIONS, prepareStatements } from "./journal/journal_statements.ts";
import {
  deleteCall,
  deleteOtherBoots,
  evictAnswers,
  hashOf,
  insertSession,
  putCall,
  replayTail,
  TrackedCall,
  type TrackedSession,
} from "./journal/rows.ts";
import { JournalTail, listOrphanedTails } from "./journal/tail.ts";
import { openVolatileDir, removeVolatileDir } from "./volatile_dir.ts";
import { type DatabaseEvents, ResilientDatabase } from "./resilient_database.ts";

export interface CallJournalOptions extends DatabaseEvents {
  /** Database file, created if missing. */
  path: string;
  /** Directory in memory for the tail; the database's own is used when this one cannot be made private to the user. */
  tailDir?: string;
  /** How long an unused session is kept, in milliseconds. */
  maxAgeMs: number;
  /** Size of all answers together, in UTF-16 code units; the oldest are evicted. */
  maxChars: number;
  /** How long after a fault the file is tried again, in milliseconds; 5 s by default. */
  retryMs?: number;
}

/** A larger answer waits for its client's receipt, after which it need not be written at all. */
const LARGE_ANSWER_CHARS = 16 * KIB;
/** How often unconfirmed calls are moved from the tail to the database. Most calls are confirmed earlier. */
const CHECKPOINT_MS = SECOND_MS;
const MAX_TAIL_CHARS = 4 * MIB;

/** What is open while the journal is usable. */
interface JournalFiles {
  sql: JournalStatements;
  tail: JournalTail;
}

/** In place of the name of a session's tail: the database has all of its calls. */
const NO_TAIL = "";

/**
 * The journal of calls in its own SQLite file. New entries are appended to a tail in memory; a checkpoint moves
 * those that are still needed to the database.
 */
export class SqliteCallJournal implements CallJournal, Disposable {
  readonly #options: CallJournalOptions;
  readonly #file: ResilientDatabase<JournalFiles>;
  readonly #tailDir: string;
  readonly #sessions = new Set<TrackedSession>();
  /** Calls that began, or were answered, since the last checkpoint. */
  readonly #changed = new Map<TrackedCall, TrackedSession>();
  /** Rows of confirmed calls, to be deleted by the next checkpoint. */
  #confirmedRows: number[] = [];
  #nextCall = 1;
  /** Whether the tail has entries that are written when this turn ends. */
  #isWriting = false;
  #checkpointTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #pruneTimer: ReturnType<typeof setInterval>;

  /** Opens the journal. A file that cannot be used is a {@linkcode fault}, not an error. */
  constructor(options: CallJournalOptions) {
    this.#options = options;
    const { path, tailDir } = options;
    const home = dirname(path);
    this.#tailDir = tailDir !== undefined && openVolatileDir(tailDir, home) ? tailDir : home;
    this.#file = new ResilientDatabase({
      path,
      what: "the journal",
      migrations: MIGRATIONS,
      prepare: (db) => ({ sql: prepareStatements(db), tail: new JournalTail(this.#tailDir) }),
      // A call that is missing would count as one that never began, and be run twice.
      losesAllByFault: true,
      retryMs: options.retryMs,
      onOpen: ({ sql, tail }) => this.#restore(sql, tail),
      onClose: ({ tail }) => tail[Symbol.dispose](),
      onChange: options.onChange,
      onQuarantine: options.onQuarantine,
    });
    this.#file.open();
    this.#pruneTimer = setInterval(() => this.prune(), Math.min(options.maxAgeMs / 2, HOUR_MS));
  }

  /** Why the file cannot be used now, in a sentence. */
  get fault(): string | undefined {
    return this.#file.fault;
  }

  open(token: string): SessionJournal {
    const session: TrackedSession = { tokenHash: hashOf(token), calls: new Set(), row: undefined };
    this.#sessions.add(session);
    this.#file.write(({ sql, tail }) => insertSession(sql, tail, session));
    return this.#journalOf(session);
  }

  recover(token: string): RecoveredSession | undefined {
    const tokenHash = hashOf(token);
    const isLive = [...this.#sessions].some((session) => timingSafeEqual(session.tokenHash, tokenHash));
    if (isLive) return undefined;
    this.#checkpoint();
    return this.#file.write(({ sql, tail }) => {
      this.#replayTails(sql);
      // An index look-up of a SHA-256 hash leaks nothing useful by its timing.
      const found = sql.sessionByToken.get(tokenHash);
      if (!found) return undefined;
      // Its tail is missing, or its daemon is only stopped and may begin further calls when it continues.
      if (found.tail !== NO_TAIL && found.tail !== tail.name) return undefined;
      const row = Number(found.number);
      const session: TrackedSession = { tokenHash, calls: new Set(), row };
      sql.touchSession.run(tail.name, Date.now(), row);
      this.#sessions.add(session);
      return { journal: this.#journalOf(session), calls: this.#readCalls(sql, session, row) };
    });
  }

  /** Deletes the sessions that were unused for `maxAgeMs`. */
  prune(now = Date.now()): void {
    this.#file.write(({ sql, tail }) => this.#prune(sql, tail, now));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#pruneTimer);
    this.#checkpoint();
    this.#file.write(({ sql, tail: { name } }) => sql.clearTail.run(name));
    this.#file[Symbol.dispose]();
    if (this.#tailDir !== dirname(this.#options.path)) removeVolatileDir(this.#tailDir);
  }

  #journalOf(session: TrackedSession): SessionJournal {
    return {
      begin: (id, options) => this.#beginCall(session, id, options),
      finish: (entry, answer, { soon = false, inTurn } = {}) =>
        this.#answer(session, TrackedCall.of(entry), {
          answer,
          isUrgent: !soon || answer.length <= LARGE_ANSWER_CHARS,
          inTurn,
        }),
      dropAnswer: (entry) => this.#dropAnswer(TrackedCall.of(entry)),
      forget: (entry) => this.#forget(session, TrackedCall.of(entry)),
      close: () => this.#close(session),
      release: () => {
        this.#checkpoint();
        this.#sessions.delete(session);
      },
    };
  }

  #beginCall(session: TrackedSession, id: RequestId, options: RecordOptions = {}): TrackedCall {
    const call = new TrackedCall(id, this.#nextCall++);
    session.calls.add(call);
    const { row } = session;
    if (row !== undefined) {
      this.#file.use(({ tail }) => tail.addBegun(row, call.number, JSON.stringify(jsonId(id))));
      this.#writeTail(options);
    }
    this.#markChanged(call, session);
    return call;
  }

  #answer(
    session: TrackedSession,
    call: TrackedCall,
    { answer, isUrgent, inTurn }: RecordOptions & { answer: string; isUrgent: boolean },
  ): void {
    // One answer must not evict all the others.
    if (answer.length > this.#options.maxChars / 4) return;
    call.answer = answer;
    const { row } = session;
    if (isUrgent && row !== undefined) {
      this.#file.use(({ tail }) => {
        // After a checkpoint the tail no longer has the call that the answer refers to.
        if (call.row !== undefined) tail.addBegun(row, call.number, JSON.stringify(jsonId(call.id)));
        tail.addAnswer(row, call.number, answer);
      });
      this.#writeTail({ inTurn });
    }
    this.#markChanged(call, session);
    if (this.#file.use(({ tail }) => tail.chars > MAX_TAIL_CHARS)) this.#checkpoint();
  }

  /** Writes the tail: now, or with what else this turn records. */
  #writeTail({ inTurn }: RecordOptions): void {
    if (!this.#isWriting) {
      this.#isWriting = true;
      recordInTurn(this.#writeTailNow);
    }
    if (!inTurn) writeRecords();
  }

  readonly #writeTailNow = () => {
    this.#isWriting = false;
    this.#file.use(({ tail }) => tail.write());
  };

  #markChanged(call: TrackedCall, session: TrackedSession): void {
    this.#changed.set(call, session);
    this.#checkpointTimer ??= setTimeout(() => this.#checkpoint(), CHECKPOINT_MS);
  }

  #dropAnswer(call: TrackedCall): void {
    call.answer = undefined;
    const { row } = call;
    if (row !== undefined) this.#file.write(({ sql }) => sql.deleteAnswer.run(row));
  }

  #forget(session: TrackedSession, call: TrackedCall): void {
    session.calls.delete(call);
    this.#changed.delete(call);
    if (call.row !== undefined) this.#confirmedRows.push(call.row);
  }

  #close(session: TrackedSession): void {
    this.#sessions.delete(session);
    for (const call of session.calls) this.#forget(session, call);
    const { row } = session;
    if (row !== undefined) this.#file.write(({ sql }) => sql.deleteSession.run(row));
  }

  /** Moves unconfirmed calls from the tail to the database. */
  #checkpoint(): void {
    clearTimeout(this.#checkpointTimer);
    this.#checkpointTimer = undefined;
    const { maxChars } = this.#options;
    this.#file.write(({ sql }) => {
      for (const row of this.#confirmedRows) deleteCall(sql, row);
      for (const [call, session] of this.#changed) {
        if (session.row !== undefined) putCall(sql, session.row, call);
      }
      if (this.#changed.size > 0) evictAnswers(sql, maxChars);
    });
    this.#confirmedRows = [];
    this.#changed.clear();
    this.#file.use(({ tail }) => tail.clear());
  }

  #readCalls(sql: JournalStatements, session: TrackedSession, row: number): JournaledCall[] {
    // A process killed within a checkpoint, before it cleared the tail, leaves a call twice.
    const known = new Map<RequestId, { entry: TrackedCall; answer: string | undefined }>();
    for (const { number, request, text } of sql.callsOfSession.all(row)) {
      const entry = new TrackedCall(readRequestId(String(request))!, this.#nextCall++, Number(number));
      session.calls.add(entry);
      const duplicate = known.get(entry.id);
      if (duplicate) this.#forget(session, duplicate.entry);
      known.set(entry.id, { entry, answer: text === null ? duplicate?.answer : String(text) });
    }
    return [...known.values()];
  }

  /** Writes the sessions of this process to a file just opened, and deletes what is obsolete in it. */
  #restore(sql: JournalStatements, tail: JournalTail): void {
    this.#confirmedRows = [];
    this.#changed.clear();
    deleteOtherBoots(sql);
    for (const { row } of this.#sessions) if (row !== undefined) sql.deleteSession.run(row);
    for (const session of this.#sessions) {
      const row = insertSession(sql, tail, session);
      for (const call of session.calls) {
        call.row = undefined;
        putCall(sql, row, call);
      }
    }
    this.#replayTails(sql);
    this.#prune(sql, tail, Date.now());
    evictAnswers(sql, this.#options.maxChars);
  }

  #replayTails(sql: JournalStatements): void {
    // A daemon that cannot write to memory keeps its tail beside the database, and a sweep moves tails there.
    const dirs = new Set([this.#tailDir, dirname(this.#options.path)]);
    for (const { name, path } of Array.from(dirs, listOrphanedTails).flat()) {
      replayTail(sql, path);
      sql.clearTail.run(name);
    }
  }

  #prune(sql: JournalStatements, { name }: JournalTail, now: number): void {
    for (const { row } of this.#sessions) if (row !== undefined) sql.touchSession.run(name, now, row);
    sql.deleteOldSessions.run(now - this.#options.maxAgeMs);
    sql.deleteStrayCalls.run();
    sql.deleteStrayAnswers.run();
  }
}
