import type { JsonObject } from "../base/json.ts";
import type { Identity, Viewer } from "../call/owner.ts";

/**
 * One conversation or investigation over many calls. It belongs to the workspace it was begun in, not to a session:
 * another window there goes on with it, or the same after a restart.
 */
export interface Thread {
  /** The `continuation_id` clients show. */
  readonly id: string;
  /** The tool that began it. */
  readonly tool: string;
  /** What it is about, one line, for a list. */
  readonly title: string;
  readonly createdAtMs: number;
  readonly usedAtMs: number;
  /** When it is forgotten unless it is used before. */
  readonly expiresAtMs: number;
  readonly turns: number;
  /** Exchanges it still takes. */
  readonly remainingTurns: number;
}

/** Where an exchange stands in a tool's work in steps. */
export interface StepMark {
  /** 1 and up. */
  readonly number: number;
  /** Empty on the main line. */
  readonly branch: string;
  /** Whether the work ended with it. */
  readonly last: boolean;
}

/** One exchange: what was asked of a tool and, unless it follows from the requests, what it answered. */
export interface Turn {
  readonly tool: string;
  /** Counts how often this tool's work in steps began anew in this thread, from 1. */
  readonly run: number;
  /** Absent for an exchange that is no step. */
  readonly step?: StepMark;
  readonly request: JsonObject;
  readonly reply?: JsonObject;
  readonly atMs: number;
}

/** An exchange to keep. */
export interface TurnEntry {
  /** The thread it continues; absent: a new one begins. */
  threadId?: string;
  tool: string;
  /** Title of the thread if a new one begins. */
  title: string;
  step?: StepMark;
  request: JsonObject;
  reply?: JsonObject;
  /** Steps of this tool's current run with this number or a later one are dropped first. */
  dropFrom?: number;
}

/** What {@linkcode ThreadStore.record} did, as one consistent moment of the thread. */
export interface Recorded {
  readonly thread: Thread;
  /** The turns of this tool's current run, oldest first; the new one among them. */
  readonly turns: readonly Turn[];
  /** Whether the step was there already and has been replaced. */
  readonly replaced: boolean;
  /** Steps dropped by `dropFrom`. */
  readonly dropped: number;
}

/** A thread with its exchanges. */
export interface ThreadWithTurns {
  readonly thread: Thread;
  readonly turns: readonly Turn[];
}

/** Which exchanges of a thread are wanted, and what for. */
export interface ShowOptions {
  tool?: string;
  forExchange?: boolean;
}

/**
 * Keeps threads beyond the process. Every method is one atomic operation, so that windows and processes may work on
 * the same thread at the same time. To whom a thread does not belong, it is not there.
 *
 * A thread of before there were owners belongs to nobody: it stands in nobody's list, and becomes that of the first who
 * shows its id, which cannot be guessed.
 */
export interface ThreadStore extends Disposable {
  /**
   * Keeps one exchange. A step sent twice (same tool, run, branch and number) replaces the first; word for word the
   * same, it keeps the answer it has until there is another. A different step 1 after the tool's work in this thread
   * has ended begins a new run. A new thread belongs to `by`.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND` for a thread unknown, expired or of others, `TOO_LARGE` for one that is full or an
   * exchange that is too big, `OVER_CAPACITY` while another process holds the store
   */
  record(by: Identity, entry: TurnEntry): Promise<Recorded>;
  /**
   * A thread and its exchanges, oldest first; of one tool's current run only, if `tool` is given. With `forExchange`
   * it is asked for to be continued: one that takes no further exchange is refused, before anybody is paid for one.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND`; with `forExchange` also `TOO_LARGE`
   */
  show(viewer: Viewer, id: string, options?: ShowOptions): Promise<ThreadWithTurns>;
  /** The threads `viewer` may use that are not expired, last used first. */
  list(viewer: Viewer, options?: { limit?: number }): Promise<Thread[]>;
  /** Forgets a thread; false if there was none that `viewer` may use. */
  delete(viewer: Viewer, id: string): Promise<boolean>;
  /** Forgets the expired threads and says how many; a new thread does so too. */
  deleteExpired(): Promise<number>;
}
