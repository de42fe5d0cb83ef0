import { createHash, timingSafeEqual } from "node:crypto";
import { dirname } from "@std/path";
import { HOUR_MS, KIB, MIB, SECOND_MS } from "../base/units.ts";
import type {
  CallJournal,
  JournaledCall,
  JournalEntry,
  RecoveredSession,
  SessionJournal,
} from "../session/journal.ts";
import type { RequestId } from "../wire/rpc.ts";
import { type JournalStatements, MIGRATIONS, prepareStatements } from "./journal/statements.ts";
import {
  addSession,
  deleteCall,
  forgetOtherBoots,
  type KeptCall,
  type KeptSession,
  makeRoom,
  putCall,
  takeTail,
} from "./journal/rows.ts";
import { JournalTail, tailsLeft } from "./journal/tail.ts";
import { openVolatileDir, removeVolatileDir } from "./volatile_dir.ts";
import { ResilientDatabase } from "./resilient_database.ts";

export interface CallJournalOptions {
  /** Database file; made if it is not there. */
  path: string;
  /** A directory in memory for the last second; the database's own unless it is, or can be made, this user's alone. */
  tailDir?: string;
  /** How long a session is kept that nobody uses, in milliseconds. */
  maxAgeMs: number;
  /** Size of the answers kept, together, in UTF-16 code units; the oldest make room. */
  maxChars: number;
  /** How long after a fault the file is tried again, in milliseconds; 5 s unless said otherwise. */
  retryMs?: number;
  /** Called when a fault has come or gone. */
  onchange?(): void;
  /** Called with a sentence when a file that could not be read was put aside. */
  onaside?(note: string): void;
}

/** A larger answer is worth waiting for its client's receipt, after which it need not be written at all. */
const LARGE_ANSWER_CHARS = 16 * KIB;
/** How often what is still asked about goes from the tail into the database. Most calls are confirmed by then. */
const FOLD_MS = SECOND_MS;
const MAX_TAIL_BYTES = 4 * MIB;
const RETRY_MS = 5 * SECOND_MS;

/** What is open while the journal can be used. */
interface JournalFiles {
  sql: JournalStatements;
  tail: JournalTail;
}

/** In place of a session's tail: the database has all of it. */
const FOLDED = "";

/** The journal of calls: in a SQLite file of its own, and for the last second in a tail beside it. */
export class SqliteCallJournal implements CallJournal, Disposable {
  readonly #options: CallJournalOptions;
  readonly #file: ResilientDatabase<JournalFiles>;
  readonly #tailDir: string;
  readonly #sessions = new Set<KeptSession>();
  /** Calls that began, or were answered, since the last fold. */
  readonly #fresh = new Map<KeptCall, KeptSession>();
  /** Rows of calls that nobody will ask about again. */
  #gone: number[] = [];
  #nextCall = 1;
  #tailBytes = 0;
  #foldTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #pruner: ReturnType<typeof setInterval>;

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
      // A successor must not take a call it does not name for one not begun.
      losesAllByFault: true,
      retryMs: options.retryMs ?? RETRY_MS,
      onopen: ({ sql, tail }) => this.#begin(sql, tail),
      onclose: ({ tail }) => tail[Symbol.dispose](),
      onchange: options.onchange,
      onaside: options.onaside,
    });
    this.#file.open();
    this.#pruner = setInterval(() => this.prune(), Math.min(options.maxAgeMs / 2, HOUR_MS));
  }

  /** What is wrong with the file now, in a sentence. */
  get fault(): string | undefined {
    return this.#file.fault;
  }

  open(token: string): SessionJournal {
    const session: KeptSession = { tokenHash: hashOf(token), calls: new Set(), row: undefined };
    this.#sessions.add(session);
    this.#file.useAtOnce(({ sql, tail }) => addSession(sql, tail, session));
    return this.#journalOf(session);
  }

  recover(token: string): RecoveredSession | undefined {
    const tokenHash = hashOf(token);
    const isLive = [...this.#sessions].some((session) => timingSafeEqual(session.tokenHash, tokenHash));
    if (isLive) return undefined;
    this.#fold();
    return this.#file.useAtOnce(({ sql, tail }) => {
      this.#takeTails(sql);
      // The hash is looked up, not compared: how long that takes says nothing of a token nobody could guess.
      const found = sql.sessionByToken.get(tokenHash);
      if (!found) return undefined;
      // Its tail is missing, or its daemon is stopped, not gone: what it has not begun it may begin when it is woken.
      if (found.tail !== FOLDED && found.tail !== tail.name) return undefined;
      const session: KeptSession = { tokenHash, calls: new Set(), row: Number(found.number) };
      sql.touchSession.run(tail.name, Date.now(), session.row!);
      this.#sessions.add(session);
      return { journal: this.#journalOf(session), calls: this.#readCalls(sql, session) };
    });
  }

  /** Drops the sessions nobody has used for too long. */
  prune(now = Date.now()): void {
    this.#file.useAtOnce(({ sql, tail }) => this.#prune(sql, tail, now));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#pruner);
    this.#fold();
    this.#file.useAtOnce(({ sql, tail: { name } }) => sql.foldedTail.run(name));
    this.#file[Symbol.dispose]();
    if (this.#tailDir !== dirname(this.#options.path)) removeVolatileDir(this.#tailDir);
  }

  #journalOf(session: KeptSession): SessionJournal {
    return {
      begin: (id) => this.#beginCall(session, id),
      finish: (mark, answer, { soon = false } = {}) =>
        this.#answer(session, mark as KeptCall, {
          answer,
          isUrgent: !soon || answer.length <= LARGE_ANSWER_CHARS,
        }),
      dropAnswer: (mark) => this.#dropAnswer(mark as KeptCall),
      forget: (mark) => this.#forget(session, mark as KeptCall),
      close: () => this.#close(session),
      release: () => {
        this.#fold();
        this.#sessions.delete(session);
      },
    };
  }

  #beginCall(session: KeptSession, id: RequestId): JournalEntry {
    const call: KeptCall = { id, n: this.#nextCall++ };
    session.calls.add(call);
    const { row } = session;
    if (row !== undefined) this.#file.use(({ tail }) => tail.begun(row, call.n, JSON.stringify(id)));
    this.#note(call, session);
    return call;
  }

  #answer(
    session: KeptSession,
    call: KeptCall,
    { answer, isUrgent }: { answer: string; isUrgent: boolean },
  ): void {
    // One answer must not drive out all the others.
    if (answer.length > this.#options.maxChars / 4) return;
    call.answer = answer;
    const { row } = session;
    if (isUrgent && row !== undefined) {
      this.#file.use(({ tail }) => {
        // A call that is in the database already is named there, and here, by other numbers.
        if (call.row !== undefined) tail.begun(row, call.n, JSON.stringify(call.id));
        tail.answered(row, call.n, answer);
        this.#tailBytes = tail.bytes;
      });
    }
    this.#note(call, session);
    if (this.#tailBytes > MAX_TAIL_BYTES) this.#fold();
  }

  #note(call: KeptCall, session: KeptSession): void {
    this.#fresh.set(call, session);
    this.#foldTimer ??= setTimeout(() => this.#fold(), FOLD_MS);
  }

  #dropAnswer(call: KeptCall): void {
    call.answer = undefined;
    const { row } = call;
    if (row !== undefined) this.#file.useAtOnce(({ sql }) => sql.deleteAnswer.run(row));
  }

  #forget(session: KeptSession, call: KeptCall): void {
    session.calls.delete(call);
    this.#fresh.delete(call);
    if (call.row !== undefined) this.#gone.push(call.row);
  }

  #close(session: KeptSession): void {
    this.#sessions.delete(session);
    for (const call of session.calls) this.#forget(session, call);
    const { row } = session;
    if (row !== undefined) this.#file.useAtOnce(({ sql }) => sql.deleteSession.run(row));
  }

  /** Brings what is still asked about from the tail into the database, and clears the tail. */
  #fold(): void {
    clearTimeout(this.#foldTimer);
    this.#foldTimer = undefined;
    const { maxChars } = this.#options;
    this.#file.useAtOnce(({ sql }) => {
      for (const row of this.#gone) deleteCall(sql, row);
      for (const [call, session] of this.#fresh) {
        if (session.row !== undefined) putCall(sql, session.row, call);
      }
      if (this.#fresh.size > 0) makeRoom(sql, maxChars);
    });
    this.#gone = [];
    this.#fresh.clear();
    this.#file.use(({ tail }) => tail.clear());
    this.#tailBytes = 0;
  }

  #readCalls(sql: JournalStatements, session: KeptSession): JournaledCall[] {
    // A process killed between folding and clearing has left a call twice.
    const known = new Map<RequestId, JournaledCall>();
    for (const { number, request, text } of sql.callsOfSession.all(session.row!)) {
      const mark: KeptCall = { id: JSON.parse(String(request)), n: this.#nextCall++, row: Number(number) };
      session.calls.add(mark);
      const twin = known.get(mark.id);
      if (twin) this.#forget(session, twin.entry as KeptCall);
      known.set(mark.id, { entry: mark, answer: text === null ? twin?.answer : String(text) });
    }
    return [...known.values()];
  }

  /** Takes up a file just opened: what lives here is written into it, and what has no use any more is dropped. */
  #begin(sql: JournalStatements, tail: JournalTail): void {
    this.#gone = [];
    this.#fresh.clear();
    forgetOtherBoots(sql);
    for (const { row } of this.#sessions) if (row !== undefined) sql.deleteSession.run(row);
    for (const session of this.#sessions) {
      addSession(sql, tail, session);
      for (const call of session.calls) {
        call.row = undefined;
        putCall(sql, session.row!, call);
      }
    }
    this.#takeTails(sql);
    this.#prune(sql, tail, Date.now());
    makeRoom(sql, this.#options.maxChars);
  }

  #takeTails(sql: JournalStatements): void {
    // Beside the database are those of a daemon that could not write to memory, or that others have cleared from there.
    const dirs = new Set([this.#tailDir, dirname(this.#options.path)]);
    for (const { name, path } of Array.from(dirs, tailsLeft).flat()) {
      takeTail(sql, path);
      sql.foldedTail.run(name);
    }
  }

  #prune(sql: JournalStatements, { name }: JournalTail, now: number): void {
    for (const { row } of this.#sessions) if (row !== undefined) sql.touchSession.run(name, now, row);
    sql.deleteOldSessions.run(now - this.#options.maxAgeMs);
    sql.deleteStrayCalls.run();
    sql.deleteStrayAnswers.run();
  }
}

function hashOf(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}
