interface Timer {
  atMs: number;
  run(): void;
}

/** `performance.now`, `setTimeout` and `clearTimeout` by a clock that a test sets, while it is there. */
export class FakeTimers implements Disposable {
  nowMs = 1000;
  /** How many timers have been set so far. */
  set = 0;
  /** How long the last one was set for, in milliseconds. */
  lastMs: number | undefined;
  readonly #timers = new Map<number, Timer>();
  readonly #real = [globalThis.setTimeout, globalThis.clearTimeout] as const;
  readonly #now = performance.now;

  constructor() {
    Object.assign(globalThis, {
      setTimeout: (run: () => void, ms = 0) => {
        this.lastMs = ms;
        this.#timers.set(++this.set, { atMs: this.nowMs + ms, run });
        return this.set;
      },
      clearTimeout: (id: number | undefined) => void this.#timers.delete(id!),
    });
    performance.now = () => this.nowMs;
  }

  /** Timers that wait now. */
  get size(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass, and runs what is due by then. */
  pass(ms: number): void {
    this.nowMs += ms;
    for (const [id, { atMs, run }] of [...this.#timers]) {
      if (atMs > this.nowMs || !this.#timers.delete(id)) continue;
      run();
    }
  }

  /** Runs whatever waits, due or not: a timer may fire early. */
  fire(): void {
    for (const [id, { run }] of [...this.#timers]) if (this.#timers.delete(id)) run();
  }

  [Symbol.dispose](): void {
    const [setTimeout, clearTimeout] = this.#real;
    Object.assign(globalThis, { setTimeout, clearTimeout });
    performance.now = this.#now;
  }
}
