/** The answer to a request whose call goes on. */
export interface EarlyAnswer {
  /** Whether it was given: the client cannot repeat the request, as for a question of its server. */
  readonly isGiven: boolean;
  /**
   * Gives a task, since a server has begun one for the call, or says more of that; undefined for a client that waits for
   * the result itself.
   */
  readonly giveTask?: (hints: TaskHints) => void;
}

/** What a server has said of a task of its own (SEP-2663). */
export interface TaskHints {
  /** When to ask for its state again, in milliseconds. */
  readonly pollIntervalMs?: number;
  readonly statusMessage?: string;
}
