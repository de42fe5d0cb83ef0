/** Connections that wait for a hello, grouped by origin. */
export class PendingConnections<T> {
  /** The oldest of each origin first. */
  readonly #byOrigin = new Map<string, Set<T>>();
  readonly #origins = new Map<T, string>();

  get size(): number {
    return this.#origins.size;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#origins.keys();
  }

  add(item: T, origin: string): void {
    this.#origins.set(item, origin);
    const others = this.#byOrigin.get(origin);
    if (others) others.add(item);
    else this.#byOrigin.set(origin, new Set([item]));
  }

  /** Returns false when `item` was not pending. */
  delete(item: T): boolean {
    const origin = this.#origins.get(item);
    if (origin === undefined) return false;
    this.#origins.delete(item);
    const others = this.#byOrigin.get(origin)!;
    others.delete(item);
    if (others.size === 0) this.#byOrigin.delete(origin);
    return true;
  }

  /** Removes the oldest item of the largest origin, so that one origin cannot evict the others. */
  evictOldest(): T | undefined {
    const groups = [...this.#byOrigin.values()];
    const largest = groups.reduce<Set<T> | undefined>(
      (most, group) => most && most.size >= group.size ? most : group,
      undefined,
    );
    const [oldest] = largest ?? [];
    if (oldest !== undefined) this.delete(oldest);
    return oldest;
  }
}
