export interface CircuitOptions {
  /** Failures in a row after which it opens. */
  failures: number;
  /** How long it stays open before one call tries it again, in milliseconds. */
  openMs: number;
  /** A clock that never jumps, in milliseconds. */
  now?: () => number;
  /** Called when it has opened or closed. */
  onchange?(): void;
}

/** What became of a call: it says that the other side is well, that it is not, or nothing of the kind. */
export type Finding = "well" | "unwell" | "nothing";

export type CircuitState = "closed" | "open" | "half_open";

/** How long callers are told to wait while one call tries whether the other side is well again. */
const PROBE_WAIT_MS = 1000;

/**
 * A circuit breaker: after some failures in a row nothing is let through for a while, then one call is, and what becomes
 * of that one decides. It keeps its time by a clock that never jumps, which libraries for this do not: one of them left
 * a circuit open for a day when the clock was set back by one.
 */
export class Circuit {
  readonly #options: CircuitOptions;
  readonly #now: () => number;
  #state: CircuitState = "closed";
  #failures = 0;
  #untilMs = 0;
  /** Told to a call that is let through; what a call finds that began before the last change says nothing. */
  #era = 1;

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
    if (this.#state === "half_open") return PROBE_WAIT_MS;
    const leftMs = this.#untilMs - this.#now();
    return leftMs > 0 ? leftMs : undefined;
  }

  /** Lets a call through, and gives what it must tell {@linkcode leave}; 0 when it is not let through. */
  enter(): number {
    if (this.#state === "closed") return this.#era;
    if (this.refusesForMs !== undefined) return 0;
    this.#change("half_open");
    return this.#era;
  }

  /** A call that was let through has ended. */
  leave(era: number, finding: Finding): void {
    if (era !== this.#era) return;
    if (finding === "unwell") return this.#failed();
    if (this.#state === "half_open") {
      // A call that was given up has found out nothing: the next one tries.
      if (finding === "nothing") return this.#open(0);
      this.#failures = 0;
      this.#change("closed");
      return this.#options.onchange?.();
    }
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
  }
}
