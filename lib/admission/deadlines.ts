import { MAX_TIMER_MS } from "../base/time.ts";

interface DeadlineEntry extends Disposable {
  atMs: number;
  expire(): void;
}

/**
 * Many deadlines on one timer for each duration: calls with the same time limit expire in the order they began, so only
 * the first needs a timer. A timer for each call was a quarter of the cost of a call.
 */
export class Deadlines {
  readonly #lanes = new Map<number, Lane>();

  /** Number of timers that are set. */
  get timers(): number {
    return this.#lanes.size;
  }

  /** Calls `expire` after `durationMs`, unless the returned object is disposed before. */
  after(durationMs: number, expire: () => void): Disposable {
    let lane = this.#lanes.get(durationMs);
    if (!lane) this.#lanes.set(durationMs, lane = new Lane(() => this.#lanes.delete(durationMs)));
    return lane.add(performance.now() + durationMs, expire);
  }
}

/** The deadlines of one duration, in the order they expire. */
class Lane {
  readonly #entries = new Set<DeadlineEntry>();
  readonly #onEmpty: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty;
  }

  add(atMs: number, expire: () => void): Disposable {
    const entry: DeadlineEntry = { atMs, expire, [Symbol.dispose]: () => this.#remove(entry) };
    this.#entries.add(entry);
    if (this.#timer === undefined) this.#arm(atMs);
    return entry;
  }

  #arm(atMs: number): void {
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
  }

  #remove(entry: DeadlineEntry): void {
    if (!this.#entries.delete(entry) || this.#entries.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#onEmpty();
  }
}
