import { abortError } from "./abort.ts";

interface CircuitOptions {
  /** Failures in a row after which it opens. */
  failures: number;
  /** How long it stays open before calls try it again, in milliseconds. */
  openMs: number;
  /** A clock that never jumps, in milliseconds. */
  now?: () => number;
  /** Called when it has opened or closed. */
  onchange?(): void;
}

/** What became of a call: it says that the other side is well, that it is not, or nothing of the kind. */
type Finding = "well" | "unwell" | "nothing";

type CircuitState = "closed" | "open" | "half_open";

/**
 * How long one try is given before another call may try beside it: a call may take long though the other side is well.
 */
const TRY_INTERVAL_MS = 2000;

/** Calls that may try at once: if the other side hangs, each of them hangs with it. */
const MAX_TRIES = 8;

/** Of these, calls of one key, so that slow calls of one leave the others a try. */
const MAX_TRIES_PER_KEY = 2;

/** How long a call waits for what others find out, at most. */
const MAX_VERDICT_WAIT_MS = 5000;

/** What callers are told to wait when nobody knows how long the tries that are under way will take. */
const UNKNOWN_WAIT_MS = 1000;

/**
 * A circuit breaker: after some failures in a row nothing is let through for a while, then a few calls are, one after
 * another, and the first that finds something out decides. It keeps its time by a clock that never jumps, which
 * libraries for this do not: one of them left a circuit open for a day when the clock was set back by one.
 */
export class Circuit {
  readonly #options: CircuitOptions;
  readonly #now: () => number;
  #state: CircuitState = "closed";
  #failures = 0;
  #untilMs = 0;
  /** Told to a call that is let through; what a call finds that began before the last change says nothing. */
  #era = 1;
  /** The keys of the calls that try now, while half open. */
  #tries: (string | undefined)[] = [];
  #nextTryAtMs = 0;
  /** Resolved when the state changes or a try has ended. */
  #news: PromiseWithResolvers<void> | undefined;

  constructor(options: CircuitOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** Failures in a row so far. */
  get failures(): number {
    return this.#failures;
  }

  /** How long nothing is let through, in milliseconds; undefined when the next call is. */
  get refusesForMs(): number | undefined {
    if (this.#state === "closed") return undefined;
    const leftMs = (this.#state === "open" ? this.#untilMs : this.#nextTryAtMs) - this.#now();
    if (this.#state === "half_open" && this.#tries.length >= MAX_TRIES) {
      return Math.max(leftMs, UNKNOWN_WAIT_MS);
    }
    return leftMs > 0 ? leftMs : undefined;
  }

  /**
   * Lets a call through, and gives what it must tell {@linkcode leave}; 0 when it is not let through. `key` says whose
   * call it is, where that matters.
   */
  enter(key?: string): number {
    if (this.#state === "closed") return this.#era;
    if (this.refusesForMs !== undefined || this.#hasTries(key)) return 0;
    if (this.#state === "open") this.#change("half_open");
    this.#tries.push(key);
    this.#nextTryAtMs = this.#now() + TRY_INTERVAL_MS;
    return this.#era;
  }

  /**
   * As {@linkcode enter}, but while others try, waits for what they find out, for some seconds at most.
   *
   * @throws {ExaiError} the signal's reason
   */
  async enterInTime(signal: AbortSignal, key?: string): Promise<number> {
    const giveUpAtMs = this.#now() + MAX_VERDICT_WAIT_MS;
    for (;;) {
      const era = this.enter(key);
      const leftMs = giveUpAtMs - this.#now();
      if (era !== 0 || this.#state !== "half_open" || leftMs <= 0) return era;
      await this.#newsWithin(Math.min(leftMs, this.refusesForMs ?? UNKNOWN_WAIT_MS), signal);
    }
  }

  /** A call that was let through has ended. */
  leave(era: number, finding: Finding, key?: string): void {
    if (era !== this.#era) return;
    if (this.#state === "half_open") return this.#tried(finding, key);
    if (finding === "unwell") return this.#failed();
    if (finding === "well") this.#failures = 0;
  }

  /** Lets nothing through for `ms`: the other side has asked for it. */
  hold(ms: number): void {
    if (this.#state === "open" && this.#untilMs >= this.#now() + ms) return;
    this.#open(ms);
  }

  /** Forgets every failure. */
  reset(): void {
    this.#failures = 0;
    if (this.#state === "closed") return;
    this.#change("closed");
    this.#options.onchange?.();
  }

  #hasTries(key: string | undefined): boolean {
    return key !== undefined && this.#tries.filter((other) => other === key).length >= MAX_TRIES_PER_KEY;
  }

  #tried(finding: Finding, key: string | undefined): void {
    this.#tries.splice(this.#tries.indexOf(key), 1);
    if (finding === "unwell") return this.#failed();
    if (finding === "well") return this.reset();
    // A call that was given up has found out nothing: the next one tries.
    if (this.#tries.length === 0) this.#nextTryAtMs = this.#now();
    this.#tell();
  }

  #failed(): void {
    this.#failures++;
    const { failures, openMs } = this.#options;
    if (this.#state === "half_open" || this.#failures >= failures) this.#open(openMs);
  }

  #open(ms: number): void {
    this.#untilMs = this.#now() + ms;
    this.#change("open");
    this.#options.onchange?.();
  }

  #change(state: CircuitState): void {
    this.#state = state;
    this.#era++;
    this.#tries = [];
    this.#tell();
  }

  #tell(): void {
    this.#news?.resolve();
    this.#news = undefined;
  }

  async #newsWithin(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw abortError(signal);
    this.#news ??= Promise.withResolvers<void>();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, Math.ceil(ms) + 1);
    const onAbort = () => late.reject(abortError(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.#news.promise, late.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }
}
