/** Those who wait, by where they come from. */
export class PendingConnections<T> {
  /** Of each origin the one that has waited longest first. */
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

  /** False when it did not wait. */
  delete(item: T): boolean {
    const origin = this.#origins.get(item);
    if (origin === undefined) return false;
    this.#origins.delete(item);
    const others = this.#byOrigin.get(origin)!;
    others.delete(item);
    if (others.size === 0) this.#byOrigin.delete(origin);
    return true;
  }

  /** Takes out the one that has waited longest of the origin that has the most, so that one crowd leaves others alone. */
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
