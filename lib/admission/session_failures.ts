interface Failures {
  /** Consecutive failures. */
  count: number;
  refusedUntilMs: number;
  lastError: string;
}

interface SessionFailuresOptions {
  /** Consecutive failures after which the calls of a session are refused. */
  failures: number;
  /** For how long, in milliseconds. */
  openMs: number;
  /** A clock that never jumps, in milliseconds. */
  now?: () => number;
}

/** Why the calls of a session are refused, and for how long. */
interface RefusedSession {
  failures: number;
  forMs: number;
  lastError: string;
}

/**
 * Consecutive failures (time-outs, 429s) of each session on a shared process that answers other sessions. They depend on
 * what the session asks for, so only its own calls are refused for a while.
 */
export class SessionFailures {
  readonly #options: SessionFailuresOptions;
  readonly #now: () => number;
  readonly #bySession = new Map<string, Failures>();

  constructor(options: SessionFailuresOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Sessions with failures. */
  get size(): number {
    return this.#bySession.size;
  }

  /** Number of sessions whose calls are refused now. */
  get refused(): number {
    const nowMs = this.#now();
    return this.#bySession.values().filter(({ refusedUntilMs }) => refusedUntilMs > nowMs).toArray().length;
  }

  /** Records that a call of `session` has failed with `error`. */
  failed(session: string, error: string): void {
    const known = this.#bySession.get(session);
    const count = (known?.count ?? 0) + 1;
    const isOverLimit = count >= this.#options.failures;
    const refusedUntilMs = isOverLimit ? this.#now() + this.#options.openMs : 0;
    this.#bySession.set(session, { count, refusedUntilMs, lastError: error });
  }

  /** Why calls of `session` are refused; undefined if they are not. */
  refusalOf(session: string): RefusedSession | undefined {
    if (this.#bySession.size === 0) return undefined;
    const known = this.#bySession.get(session);
    const forMs = (known?.refusedUntilMs ?? 0) - this.#now();
    return known && forMs > 0 ? { failures: known.count, forMs, lastError: known.lastError } : undefined;
  }

  /** Clears the failures of `session`: a call was answered, or the session has ended. */
  forget(session: string): void {
    if (this.#bySession.size > 0) this.#bySession.delete(session);
  }

  clear(): void {
    this.#bySession.clear();
  }
}
