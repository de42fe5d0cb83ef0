import { MAX_TIMER_MS } from "../base/time.ts";

/** Timers kept at most: a caller may choose another duration for each call. */
const MAX_KEPT = 16;

interface DeadlinesOptions {
  /**
   * Whether the timer of a duration stays when its last deadline is met: calls that come one after another then set
   * none. It fires once after the last of them, and is cleared when the deadlines are disposed of.
   */
  keepsTimers?: boolean;
}

interface DeadlineEntry extends Disposable {
  atMs: number;
  expire(): void;
}

/**
 * Many deadlines on one timer for each duration: calls with the same time limit expire in the order they began, so only
 * the first needs a timer. A timer for each call was a quarter of the cost of a call.
 */
export class Deadlines implements Disposable {
  readonly #lanes = new Map<number, Lane>();
  readonly #keepsTimers: boolean;

  constructor({ keepsTimers = false }: DeadlinesOptions = {}) {
    this.#keepsTimers = keepsTimers;
  }

  /** Number of timers that are set. */
  get timers(): number {
    return this.#lanes.size;
  }

  /** Calls `expire` after `durationMs`, unless the returned object is disposed before. */
  after(durationMs: number, expire: () => void): Disposable {
    let lane = this.#lanes.get(durationMs);
    if (!lane) {
      const keepsTimer = this.#keepsTimers && this.#lanes.size < MAX_KEPT;
      this.#lanes.set(
        durationMs,
        lane = new Lane({ keepsTimer, onEnd: () => this.#lanes.delete(durationMs) }),
      );
    }
    return lane.add(performance.now() + durationMs, expire);
  }

  /** Clears the timers; what is not met by now never expires. */
  [Symbol.dispose](): void {
    for (const lane of [...this.#lanes.values()]) lane[Symbol.dispose]();
  }
}

/** The deadlines of one duration, in the order they expire. */
class Lane implements Disposable {
  readonly #entries = new Set<DeadlineEntry>();
  readonly #options: { keepsTimer: boolean; onEnd(): void };
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param options `onEnd`: called when it has no deadline and no timer */
  constructor(options: { keepsTimer: boolean; onEnd(): void }) {
    this.#options = options;
  }

  add(atMs: number, expire: () => void): Disposable {
    const entry: DeadlineEntry = { atMs, expire, [Symbol.dispose]: () => this.#remove(entry) };
    this.#entries.add(entry);
    if (this.#timer === undefined) this.#arm(atMs);
    return entry;
  }

  #arm(atMs: number): void {
    // What has expired may have set one, for a deadline of its own.
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#expire(),
      // A later deadline sets it again.
      Math.min(MAX_TIMER_MS, Math.max(0, atMs - performance.now())),
    );
  }

  // The entry the timer was set for may have been removed: the timer is set again for the next one.
  #expire(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (const entry of this.#entries) {
      // A timer may fire a little early.
      if (entry.atMs > nowMs + 1) {
        this.#arm(entry.atMs);
        return;
      }
      this.#remove(entry);
      entry.expire();
    }
    // Without its timer it has ended with its last entry already.
    if (this.#options.keepsTimer && this.#entries.size === 0) this[Symbol.dispose]();
  }

  #remove(entry: DeadlineEntry): void {
    if (!this.#entries.delete(entry) || this.#entries.size > 0 || this.#options.keepsTimer) return;
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#entries.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#options.onEnd();
  }
}
