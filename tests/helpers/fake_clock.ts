/** A clock that only the test advances: timers and `performance.now`, until it is disposed. */
export class FakeClock implements Disposable {
  readonly #real = { setTimeout, clearTimeout, setInterval, clearInterval, now: performance.now };
  readonly #timers = new Map<number, { dueMs: number; run: () => void; everyMs?: number }>();
  #nowMs = Math.ceil(performance.now());
  #ids = 1_000_000_000;

  constructor() {
    Object.assign(globalThis, {
      setTimeout: (run: () => void, ms = 0) => this.#add(run, ms),
      setInterval: (run: () => void, ms = 0) => this.#add(run, ms, ms),
      clearTimeout: (id: number) => this.#clear(id),
      clearInterval: (id: number) => this.#clear(id),
    });
    performance.now = () => this.#nowMs;
  }

  /** Timers that have not run out. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass: what is due runs in its order, each with all that follows from it. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await this.settle();
    for (;;) {
      const [next] = [...this.#timers].filter(([, { dueMs }]) => dueMs <= endMs)
        .sort(([, a], [, b]) => a.dueMs - b.dueMs);
      if (next === undefined) break;
      const [id, timer] = next;
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      if (timer.everyMs === undefined) this.#timers.delete(id);
      else timer.dueMs += timer.everyMs;
      timer.run();
      await this.settle();
    }
    this.#nowMs = endMs;
  }

  /** Lets everything run that waits for no timer. */
  settle(): Promise<void> {
    return new Promise((resolve) => this.#real.setTimeout.call(globalThis, resolve, 0));
  }

  #add(run: () => void, ms: number, everyMs?: number): number {
    this.#timers.set(++this.#ids, { dueMs: this.#nowMs + ms, run, everyMs });
    return this.#ids;
  }

  /** A timer from before the clock is the real one's. */
  #clear(id: number): void {
    if (!this.#timers.delete(id)) this.#real.clearTimeout.call(globalThis, id);
  }

  [Symbol.dispose](): void {
    const { now, ...timers } = this.#real;
    Object.assign(globalThis, timers);
    performance.now = now;
  }
}
