import { abortError } from "./abort.ts";

interface CircuitBreakerOptions {
  /** Failures in a row after which it opens. */
  failures: number;
  /** How long it stays open before calls probe the other side again, in milliseconds. */
  openMs: number;
  /** A monotonic clock, in milliseconds. */
  now?: () => number;
  /** Called after it has opened or closed. */
  onChange?(): void;
}

/** What a call says of the other side: that it works, that it does not, or neither. */
type CallOutcome = "success" | "failure" | "ignored";

type State =
  | { kind: "closed" }
  | { kind: "open"; untilMs: number }
  /** `probes`: the keys of the calls that are under way. */
  | { kind: "half_open"; probes: (string | undefined)[]; nextProbeAtMs: number };

/** After this time another call may probe beside a slow one: a call may take long although the other side is healthy. */
const PROBE_INTERVAL_MS = 2000;

/** Concurrent probes: if the other side hangs, each of them hangs with it. */
const MAX_PROBES = 8;

/** Concurrent probes of one key, so that the slow calls of one caller leave the others a probe. */
const MAX_PROBES_PER_KEY = 2;

/** How long a call waits for the outcome of the probes of others. */
const MAX_OUTCOME_WAIT_MS = 5000;

/** The wait reported to callers while it is not known how long the running probes take. */
const UNKNOWN_WAIT_MS = 1000;

/**
 * A circuit breaker: opens after some failures in a row and lets nothing through for a while; then a few calls probe,
 * one after another, and the first with an outcome decides. Written here since libraries for it (cockatiel among them)
 * measure by `Date.now()`: a clock set back by a day leaves a circuit open for a day. This one is monotonic.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CircuitBreaker } from "./circuit_breaker.ts";
 *
 * const circuit = new CircuitBreaker({ failures: 2, openMs: 10_000 });
 * for (let call = 0; call < 2; call++) circuit.leave(circuit.enter(), "failure");
 * assertEquals(circuit.state, "open");
 * assertEquals(circuit.enter(), 0);
 * ```
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  readonly #now: () => number;
  #state: State = { kind: "closed" };
  #failures = 0;
  /** Given to each call that is let through: the outcome of one that began before the last change is ignored. */
  #generation = 1;
  /** Resolved when the state changes or a probe ends. */
  #stateChange: PromiseWithResolvers<void> | undefined;

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get state(): State["kind"] {
    return this.#state.kind;
  }

  /** Failures in a row so far. */
  get failures(): number {
    return this.#failures;
  }

  /** How long nothing is let through, in milliseconds; undefined when the next call is. */
  get refusesForMs(): number | undefined {
    const state = this.#state;
    if (state.kind === "closed") return undefined;
    const leftMs = (state.kind === "open" ? state.untilMs : state.nextProbeAtMs) - this.#now();
    if (state.kind === "half_open" && state.probes.length >= MAX_PROBES) {
      return Math.max(leftMs, UNKNOWN_WAIT_MS);
    }
    return leftMs > 0 ? leftMs : undefined;
  }

  /**
   * Lets a call through.
   *
   * @param key whose call it is, where callers share the circuit
   * @returns what the call passes to {@linkcode leave}; 0 when it is not let through
   */
  enter(key?: string): number {
    if (this.#state.kind === "closed") return this.#generation;
    if (this.refusesForMs !== undefined) return 0;
    const probes = this.#state.kind === "half_open" ? this.#state.probes : [];
    if (key !== undefined && probes.filter((other) => other === key).length >= MAX_PROBES_PER_KEY) return 0;
    const nextProbeAtMs = this.#now() + PROBE_INTERVAL_MS;
    if (this.#state.kind === "open") this.#change({ kind: "half_open", probes, nextProbeAtMs });
    else this.#state.nextProbeAtMs = nextProbeAtMs;
    probes.push(key);
    return this.#generation;
  }

  /**
   * As {@linkcode enter}, but waits some seconds at most for the outcome of the probes under way.
   *
   * @throws {ExaiError} the signal's reason, or `CANCELLED`
   */
  async enterOrWait(signal: AbortSignal, key?: string): Promise<number> {
    const giveUpAtMs = this.#now() + MAX_OUTCOME_WAIT_MS;
    for (;;) {
      const generation = this.enter(key);
      const leftMs = giveUpAtMs - this.#now();
      if (generation !== 0 || this.#state.kind !== "half_open" || leftMs <= 0) return generation;
      await this.#stateChangeWithin(Math.min(leftMs, this.refusesForMs ?? UNKNOWN_WAIT_MS), signal);
    }
  }

  /** Ends a call that was let through as `generation`. */
  leave(generation: number, outcome: CallOutcome, key?: string): void {
    if (generation !== this.#generation) return;
    if (this.#state.kind === "half_open") this.#endProbe(this.#state, { outcome, key });
    else if (outcome === "failure") this.#fail();
    else if (outcome === "success") this.#failures = 0;
  }

  /** Lets nothing through for at least `ms`, as the other side requested. */
  openFor(ms: number): void {
    const untilMs = this.#now() + ms;
    if (this.#state.kind === "open" && this.#state.untilMs >= untilMs) return;
    this.#change({ kind: "open", untilMs });
    this.#options.onChange?.();
  }

  /** Closes it and forgets every failure. */
  reset(): void {
    this.#failures = 0;
    if (this.#state.kind === "closed") return;
    this.#change({ kind: "closed" });
    this.#options.onChange?.();
  }

  #endProbe(
    state: State & { kind: "half_open" },
    { outcome, key }: { outcome: CallOutcome; key: string | undefined },
  ): void {
    state.probes.splice(state.probes.indexOf(key), 1);
    if (outcome === "failure") return this.#fail();
    if (outcome === "success") return this.reset();
    // A call that was given up has no outcome: the next one probes.
    if (state.probes.length === 0) state.nextProbeAtMs = this.#now();
    this.#notify();
  }

  #fail(): void {
    this.#failures++;
    const { failures, openMs } = this.#options;
    if (this.#state.kind === "half_open" || this.#failures >= failures) this.openFor(openMs);
  }

  #change(state: State): void {
    this.#state = state;
    this.#generation++;
    this.#notify();
  }

  #notify(): void {
    this.#stateChange?.resolve();
    this.#stateChange = undefined;
  }

  async #stateChangeWithin(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw abortError(signal);
    this.#stateChange ??= Promise.withResolvers<void>();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, Math.ceil(ms) + 1);
    const onAbort = () => late.reject(abortError(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.#stateChange.promise, late.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }
}
