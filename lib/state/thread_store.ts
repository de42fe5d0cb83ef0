import type { JsonObject } from "../base/json.ts";
import type { Identity, Viewer } from "../call/owner.ts";

/**
 * One conversation or investigation over many calls. It belongs to the workspace it was begun in, not to a session:
 * another window there can continue it, or the same window after a restart.
 */
export interface Thread {
  /** The `continuation_id` of clients. */
  readonly id: string;
  /** The tool that began it. */
  readonly tool: string;
  /** Its subject in one line, for a list. */
  readonly title: string;
  readonly createdAtMs: number;
  readonly usedAtMs: number;
  /** When it is deleted unless it is used before. */
  readonly expiresAtMs: number;
  readonly turns: number;
  /** Exchanges left before it is full. */
  readonly remainingTurns: number;
}

/** The position of an exchange in a tool's work in steps. */
export interface StepMark {
  /** 1 and up. */
  readonly number: number;
  /** Empty on the main line. */
  readonly branch: string;
  /** Whether the work ended with it. */
  readonly last: boolean;
}

/** One exchange: a request to a tool and, unless it can be derived from the requests, the reply. */
export interface Turn {
  readonly tool: string;
  /** Which run of this tool's work in steps it is within the thread, from 1. */
  readonly run: number;
  /** Absent for an exchange outside of a workflow. */
  readonly step?: StepMark;
  readonly request: JsonObject;
  readonly reply?: JsonObject;
  readonly atMs: number;
}

/** An exchange to record. */
export interface TurnEntry {
  /** The thread it continues; left out: a new thread. */
  threadId?: string;
  tool: string;
  /** Title of a new thread. */
  title: string;
  step?: StepMark;
  request: JsonObject;
  reply?: JsonObject;
  /** Steps of this tool's current run with this number or a later one are dropped first. */
  dropFrom?: number;
}

/** The result of {@linkcode ThreadStore.record}: a consistent snapshot of the thread. */
export interface Recorded {
  readonly thread: Thread;
  /** The turns of this tool's current run with the new one, oldest first. */
  readonly turns: readonly Turn[];
  /** Whether the step existed and has been replaced. */
  readonly replaced: boolean;
  /** Steps dropped by `dropFrom`. */
  readonly dropped: number;
}

/** A thread with its exchanges. */
export interface ThreadWithTurns {
  readonly thread: Thread;
  readonly turns: readonly Turn[];
}

export interface ShowOptions {
  /** Only the exchanges of this tool's current run. */
  tool?: string;
}

/** Exchanges of a thread to be replaced. */
export interface Condensation {
  /** How many exchanges the thread has; if it is another number by now, nothing is done. */
  of: number;
  /** The places of those that go, from 0. */
  drop: readonly number[];
  /** What stands in their place; left out: nothing. */
  instead?: Pick<TurnEntry, "tool" | "request">;
}

/**
 * Stores threads across restarts. Every method is one atomic operation, so that windows may work on the same thread
 * concurrently. For all but its owner a thread does not exist.
 *
 * A thread from before threads had owners is in no list, and becomes that of the first caller who shows its id, which
 * cannot be guessed.
 */
export interface ThreadStore extends Disposable {
  /**
   * Records one exchange. A step sent twice (same tool, run, branch and number) replaces the first; when the request is
   * identical, the existing reply stays until there is another. A different step 1 after the tool's work in this thread
   * has ended begins a new run. A new thread belongs to `by`.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND` for a thread that is unknown, expired or of another owner; `TOO_LARGE` for
   * a full thread or too long an exchange; `OVER_CAPACITY` while another process holds the store
   */
  record(by: Identity, entry: TurnEntry): Promise<Recorded>;
  /**
   * A thread and its exchanges, oldest first.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND`
   */
  show(viewer: Viewer, id: string, options?: ShowOptions): Promise<ThreadWithTurns>;
  /**
   * Makes room in a thread by replacing some of its exchanges; false when it has changed since it was looked at.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND`
   */
  condense(by: Identity, id: string, condensation: Condensation): Promise<boolean>;
  /** The unexpired threads that `viewer` may use, last used first. */
  list(viewer: Viewer, options?: { limit?: number }): Promise<Thread[]>;
  /** Deletes a thread; false if there is none that `viewer` may use. */
  delete(viewer: Viewer, id: string): Promise<boolean>;
  /** Deletes the expired threads, as a new thread does too; how many. */
  deleteExpired(): Promise<number>;
}
