/** Counts by key and in all. A key that counts nothing is forgotten, for sessions come and go. */
export class Tally {
  readonly #counts = new Map<string, number>();
  #total = 0;

  /** The count of all keys together. */
  get total(): number {
    return this.#total;
  }

  /** Keys that are kept. */
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

  /** Takes one back that was added. */
  remove(key: string): void {
    const left = this.of(key) - 1;
    if (left === 0) this.#counts.delete(key);
    else this.#counts.set(key, left);
    this.#total--;
  }
}
