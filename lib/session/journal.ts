import type { RequestId } from "../wire/rpc.ts";

/** Stands for one call in a journal. */
export interface JournalEntry {
  readonly id: RequestId;
}

/** One call that a session's client may still ask about. */
export interface JournaledCall {
  readonly entry: JournalEntry;
  /** The text of its answer; undefined when it had none, or it was not kept. */
  readonly answer: string | undefined;
}

/**
 * What outlives the daemon: which calls that must not run twice were begun, and how they ended. Nothing in it ever
 * throws; a journal that cannot be written makes outcomes unknown, and never a call fail.
 */
export interface CallJournal {
  /** Begins to keep the calls of a session; only its resume token gives them out again. */
  open(token: string): SessionJournal;
  /** Takes over what was kept of a session that has ended otherwise than by its client's goodbye. */
  recover(token: string): RecoveredSession | undefined;
}

/** A session as the journal has it: a call that is not among `calls` never began, or its client has its answer. */
export interface RecoveredSession {
  readonly journal: SessionJournal;
  readonly calls: readonly JournaledCall[];
}

/** The journal of one session. */
export interface SessionJournal {
  /** A call begins. When this returns, a successor of this process knows of it. */
  begin(id: RequestId): JournalEntry;
  /** It has ended. `soon`: its client is there and will confirm it in a moment, so a large answer may wait. */
  finish(mark: JournalEntry, answer: string, options?: { soon?: boolean }): void;
  /** Its answer is not kept any more; that it has run still is. */
  dropAnswer(mark: JournalEntry): void;
  /** Nobody will ask about it again. */
  forget(mark: JournalEntry): void;
  /** The client has said goodbye: nobody will ask about any of them. */
  close(): void;
  /** The session is over, but its client may yet come back and ask. */
  release(): void;
}
