/** Counts by key and in total. A key whose count is 0 takes no memory. */
export class Tally {
  readonly #counts = new Map<string, number>();
  #total = 0;

  /** The sum over all keys. */
  get total(): number {
    return this.#total;
  }

  /** Keys with a count above 0. */
  get keys(): number {
    return this.#counts.size;
  }

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string): void {
    this.#counts.set(key, this.of(key) + 1);
    this.#total++;
  }

  /** Reverts one `add`. */
  remove(key: string): void {
    const left = this.of(key) - 1;
    if (left === 0) this.#counts.delete(key);
    else this.#counts.set(key, left);
    this.#total--;
  }
}
