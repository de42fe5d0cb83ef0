/** Work that nobody's request waits for. */
export interface OngoingWork {
  /** Settles when it has ended. */
  readonly ended: Promise<unknown>;
  /** Cancels it with `reason`. */
  cancel(reason: Error): void;
}

/** What a call has used of models. */
export interface CallSpending {
  inputTokens: number;
  outputTokens: number;
  /** In US dollars, of the requests with a known price; undefined if there is none. */
  usd?: number;
}

/** Something a call waits for before it can proceed. */
export interface Wait {
  /** Since when, by `performance.now`, in milliseconds. */
  readonly sinceMs: number;
  /** A description, as `a permit of server "files" (7 before it)`. */
  what(): string;
}
