import { createHash, timingSafeEqual } from "node:crypto";
import { HOUR_MS, KIB, MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { CallJournal, Mark, RecoveredSession, SessionJournal } from "../session/journal.ts";
import type { RequestId } from "../wire/rpc.ts";
import { MIGRATIONS, prepareStatements, type Statements } from "./journal_statements.ts";
import { KeptFile } from "./kept_file.ts";

export interface CallJournalOptions {
  /** Database file; made if it is not there. */
  path: string;
  /** How long a session is kept that nobody uses, in milliseconds. */
  maxAgeMs: number;
  /** Size of the answers kept, together, in UTF-16 code units; the oldest make room. */
  maxChars: number;
  /** How long after a fault the file is tried again, in milliseconds; 5 s unless said otherwise. */
  retryMs?: number;
  /** Called when a fault has come or gone. */
  onchange?(): void;
}

/** A larger answer is worth waiting for its client's receipt, after which it need not be written at all. */
const LARGE_ANSWER_CHARS = 16 * KIB;
const FLUSH_MS = 100;
const MAX_GONE = 256;
const RETRY_MS = 5 * SECOND_MS;
/** When this machine started is reckoned from two clocks, one of which may be put right. */
const BOOT_TOLERANCE_MS = MINUTE_MS;

/** The calls of one session, as far as somebody may still ask about them. */
interface KeptCall extends Mark {
  row: number | undefined;
}

interface KeptSession {
  readonly tokenHash: Uint8Array;
  readonly calls: Set<KeptCall>;
  row: number | undefined;
}

/** The journal of calls in a SQLite file of its own. */
export class SqliteCallJournal implements CallJournal, Disposable {
  readonly #options: CallJournalOptions;
  readonly #file: KeptFile<Statements>;
  readonly #sessions = new Set<KeptSession>();
  /** The size of each answer in the file, by call, oldest first. */
  readonly #answers = new Map<number, number>();
  #answersChars = 0;
  readonly #deferred = new Map<KeptCall, string>();
  #gone: number[] = [];
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #pruner: ReturnType<typeof setInterval>;

  /** Opens the journal. A file that cannot be used is a {@linkcode fault}, not an error. */
  constructor(options: CallJournalOptions) {
    this.#options = options;
    this.#file = new KeptFile({
      path: options.path,
      what: "the journal",
      migrations: MIGRATIONS,
      prepare: prepareStatements,
      // A successor must not take a call it does not name for one not begun.
      losesAllByFault: true,
      retryMs: options.retryMs ?? RETRY_MS,
      onopen: (sql) => this.#begin(sql),
      onchange: options.onchange,
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
    this.#file.use((sql) => addSession(sql, session));
    return this.#journalOf(session);
  }

  recover(token: string): RecoveredSession | undefined {
    this.#flush();
    const tokenHash = hashOf(token);
    const isLive = [...this.#sessions].some((session) => timingSafeEqual(session.tokenHash, tokenHash));
    if (isLive) return undefined;
    return this.#file.use((sql) => {
      // The hash is looked up, not compared: how long that takes says nothing of a token nobody could guess.
      const row = sql.sessionByToken.get(tokenHash)?.number;
      if (row === undefined) return undefined;
      const session: KeptSession = { tokenHash, calls: new Set(), row: Number(row) };
      this.#sessions.add(session);
      const calls = sql.callsOfSession.all(session.row!).map(({ number, request, text }) => {
        const mark: KeptCall = { id: JSON.parse(String(request)), row: Number(number) };
        session.calls.add(mark);
        return { mark, answer: text === null ? undefined : String(text) };
      });
      return { journal: this.#journalOf(session), calls };
    });
  }

  /** Drops the sessions nobody has used for too long. */
  prune(now = Date.now()): void {
    this.#file.useAtOnce((sql) => this.#prune(sql, now));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#pruner);
    this.#flush();
    this.#file[Symbol.dispose]();
  }

  #journalOf(session: KeptSession): SessionJournal {
    return {
      begin: (id) => this.#beginCall(session, id),
      finish: (mark, answer, { soon = false } = {}) => {
        if (answer.length <= LARGE_ANSWER_CHARS || !soon) return this.#addAnswer(mark as KeptCall, answer);
        this.#deferred.set(mark as KeptCall, answer);
        this.#flushSoon();
      },
      dropAnswer: (mark) => this.#dropAnswer(mark as KeptCall),
      forget: (mark) => this.#forget(session, mark as KeptCall),
      close: () => this.#close(session),
      release: () => void this.#sessions.delete(session),
    };
  }

  #beginCall(session: KeptSession, id: RequestId): Mark {
    const call: KeptCall = { id, row: undefined };
    session.calls.add(call);
    if (session.row !== undefined) this.#file.use((sql) => addCall(sql, session, call));
    return call;
  }

  #addAnswer(call: KeptCall, answer: string): void {
    const { row } = call;
    const { maxChars } = this.#options;
    // One answer must not drive out all the others.
    if (row === undefined || answer.length > maxChars / 4) return;
    this.#file.use((sql) => {
      sql.addAnswer.run(row, answer);
      this.#answers.set(row, answer.length);
      this.#answersChars += answer.length;
      while (this.#answersChars > maxChars) this.#deleteAnswer(sql, this.#answers.keys().next().value!);
    });
  }

  #dropAnswer(call: KeptCall): void {
    this.#deferred.delete(call);
    const { row } = call;
    if (row !== undefined && this.#answers.has(row)) this.#file.use((sql) => this.#deleteAnswer(sql, row));
  }

  #deleteAnswer(sql: Statements, row: number): void {
    const chars = this.#answers.get(row);
    if (chars === undefined) return;
    this.#answers.delete(row);
    this.#answersChars -= chars;
    sql.deleteAnswer.run(row);
  }

  #forget(session: KeptSession, call: KeptCall): void {
    session.calls.delete(call);
    this.#deferred.delete(call);
    if (call.row === undefined) return;
    this.#gone.push(call.row);
    if (this.#gone.length >= MAX_GONE) this.#flush();
    else this.#flushSoon();
  }

  #close(session: KeptSession): void {
    this.#sessions.delete(session);
    const { row } = session;
    if (row === undefined) return;
    for (const call of session.calls) {
      this.#deferred.delete(call);
      if (call.row !== undefined) this.#gone.push(call.row);
    }
    this.#flush();
    this.#file.use((sql) => sql.deleteSession.run(row));
  }

  #flushSoon(): void {
    this.#flushTimer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const gone = this.#gone;
    const deferred = [...this.#deferred];
    this.#gone = [];
    this.#deferred.clear();
    if (gone.length + deferred.length === 0) return;
    this.#file.useAtOnce((sql) => {
      for (const row of gone) {
        this.#deleteAnswer(sql, row);
        sql.deleteCall.run(row);
      }
    });
    for (const [call, answer] of deferred) this.#addAnswer(call, answer);
  }

  /** Takes up a file just opened: what lives here is written into it, and what has no use any more is dropped. */
  #begin(sql: Statements): void {
    this.#gone = [];
    this.#answers.clear();
    this.#answersChars = 0;
    forgetOtherBoots(sql);
    for (const { row } of this.#sessions) if (row !== undefined) sql.deleteSession.run(row);
    for (const session of this.#sessions) {
      addSession(sql, session);
      for (const call of session.calls) addCall(sql, session, call);
    }
    this.#prune(sql, Date.now());
    for (const { call, chars } of sql.answersByAge.all() as { call: number; chars: number }[]) {
      this.#answers.set(call, chars);
      this.#answersChars += chars;
    }
  }

  #prune(sql: Statements, now: number): void {
    for (const { row } of this.#sessions) if (row !== undefined) sql.touchSession.run(now, row);
    sql.deleteOldSessions.run(now - this.#options.maxAgeMs);
    sql.deleteStrayCalls.run();
    sql.deleteStrayAnswers.run();
  }
}

function addSession(sql: Statements, session: KeptSession): void {
  const { lastInsertRowid } = sql.addSession.run(session.tokenHash, Date.now());
  session.row = Number(lastInsertRowid);
}

function addCall(sql: Statements, session: KeptSession, call: KeptCall): void {
  const { lastInsertRowid } = sql.addCall.run(session.row!, JSON.stringify(call.id));
  call.row = Number(lastInsertRowid);
}

/** After the machine has failed the last writes may be missing, and calls would be taken for such as never began. */
function forgetOtherBoots(sql: Statements): void {
  const bootMs = Date.now() - Deno.osUptime() * SECOND_MS;
  const known = sql.boot.get()?.at_ms;
  if (known !== undefined && Math.abs(Number(known) - bootMs) < BOOT_TOLERANCE_MS) return;
  if (known !== undefined) sql.deleteOldSessions.run(Number.MAX_SAFE_INTEGER);
  sql.deleteBoot.run();
  sql.setBoot.run(Math.round(bootMs));
}

function hashOf(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}
