import type { RequestId } from "../wire/rpc.ts";

/** The journal's handle of one call. */
export interface JournalEntry {
  readonly id: RequestId;
}

/** A call whose outcome the client may still ask for. */
export interface JournaledCall {
  readonly entry: JournalEntry;
  /** The text of its response; undefined when there was none, or it was not kept. */
  readonly answer: string | undefined;
}

/**
 * Records, across restarts of the daemon, which calls that must not run twice were begun and how they ended. Its methods
 * never throw: a journal that cannot be written leaves outcomes unknown, but fails no call.
 */
export interface CallJournal {
  /** Starts recording the calls of a session, to be recovered with its resume token. */
  open(token: string): SessionJournal;
  /** Takes over the record of a session that ended without its client's goodbye. */
  recover(token: string): RecoveredSession | undefined;
}

/** A recorded session. A call missing from `calls` either never began, or its client has the response. */
export interface RecoveredSession {
  readonly journal: SessionJournal;
  readonly calls: readonly JournaledCall[];
}

/** When something is recorded. */
export interface RecordOptions {
  /**
   * Whether what relies on the record leaves the process at the end of this turn at the earliest, after
   * {@linkcode writeRecords}. Then all records of the turn are written together.
   */
  inTurn?: boolean;
}

/** The journal of one session. */
export interface SessionJournal {
  /** Records that a call begins, durably: a later daemon knows of it once this returns, or at the end of the turn. */
  begin(id: RequestId, options?: RecordOptions): JournalEntry;
  /** Records the response. `soon`: the client is attached and acknowledges shortly, so a large one may be written later. */
  finish(entry: JournalEntry, answer: string, options?: RecordOptions & { soon?: boolean }): void;
  /** Drops the text of the response; that the call has run stays recorded. */
  dropAnswer(entry: JournalEntry): void;
  /** Drops the entry: the client has the response. */
  forget(entry: JournalEntry): void;
  /** Drops all entries: the client has said goodbye. */
  close(): void;
  /** Ends the recording, and keeps the entries for a client that resumes. */
  release(): void;
}
