interface Failures {
  /** How many in a row. */
  count: number;
  refusedUntilMs: number;
  lastError: string;
}

interface SessionFailuresOptions {
  /** Failures in a row after which the calls of a session are refused. */
  failures: number;
  /** For how long, in milliseconds. */
  openMs: number;
  /** A clock that never jumps, in milliseconds. */
  now?: () => number;
}

/** A session whose calls are refused. */
interface RefusedSession {
  failures: number;
  forMs: number;
  lastError: string;
}

/**
 * The failures of each session on a process that several share and that answers others: time-outs, and refusals for
 * calls that are too many. They come of what the session asks for: its own calls are refused for a while, so that they
 * need not be waited for in vain, and nobody else's are.
 */
export class SessionFailures {
  readonly #options: SessionFailuresOptions;
  readonly #now: () => number;
  readonly #bySession = new Map<string, Failures>();

  constructor(options: SessionFailuresOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Sessions of which something is remembered. */
  get size(): number {
    return this.#bySession.size;
  }

  /** Sessions whose calls are refused now. */
  get refused(): number {
    const nowMs = this.#now();
    return this.#bySession.values().filter(({ refusedUntilMs }) => refusedUntilMs > nowMs).toArray().length;
  }

  /** A call of `session` has failed with `error`. */
  failed(session: string, error: string): void {
    const known = this.#bySession.get(session);
    const count = (known?.count ?? 0) + 1;
    const isOverLimit = count >= this.#options.failures;
    const refusedUntilMs = isOverLimit ? this.#now() + this.#options.openMs : 0;
    this.#bySession.set(session, { count, refusedUntilMs, lastError: error });
  }

  /** Why calls of `session` are refused; undefined: they are not. */
  refusalOf(session: string): RefusedSession | undefined {
    if (this.#bySession.size === 0) return undefined;
    const known = this.#bySession.get(session);
    const forMs = (known?.refusedUntilMs ?? 0) - this.#now();
    return known && forMs > 0 ? { failures: known.count, forMs, lastError: known.lastError } : undefined;
  }

  /** A call of `session` was answered, or the session is over. */
  forget(session: string): void {
    if (this.#bySession.size > 0) this.#bySession.delete(session);
  }

  clear(): void {
    this.#bySession.clear();
  }
}
