interface ExpiringMapOptions<V> {
  ttlMs: number;
  /** Entries kept at most; the oldest makes room. */
  max: number;
  /** Called with an entry that is kept no longer. */
  onDrop?(value: V): void;
}

/** Entries that are dropped some time after they were set last, by one timer for all. */
export class ExpiringMap<V> implements Disposable {
  readonly #options: ExpiringMapOptions<V>;
  /** The first to expire first. */
  readonly #entries = new Map<string, { value: V; untilMs: number }>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ExpiringMapOptions<V>) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Drops the values that `matches`. */
  deleteWhere(matches: (value: V) => boolean): void {
    for (const [key, { value }] of [...this.#entries]) if (matches(value)) this.delete(key);
  }

  set(key: string, value: V): void {
    const { max, ttlMs } = this.#options;
    this.#entries.delete(key);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < max) break;
      this.delete(oldest);
    }
    this.#entries.set(key, { value, untilMs: performance.now() + ttlMs });
    this.#timer ??= setTimeout(() => this.#expire(), ttlMs);
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#options.onDrop?.(entry.value);
    if (this.#entries.size === 0) this[Symbol.dispose]();
  }

  #expire(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (const [key, { untilMs }] of this.#entries) {
      // A timer may fire a little early.
      if (untilMs > nowMs + 1) {
        this.#timer ??= setTimeout(() => this.#expire(), untilMs - nowMs);
        return;
      }
      this.delete(key);
    }
  }

  /** Clears the timer: what is there stays, and is dropped with the map. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
