/**
 * A queue that serves its keys in turn: each key's entries in their own order, one from each key before a second
 * from any, so that one busy session cannot starve another. All operations are O(1) but `take` past blocked keys.
 */
export class FairQueue<T> {
  // A Map keeps the order of insertion: the first key is the next in turn.
  readonly #lanes = new Map<string, Set<T>>();
  #size = 0;

  /** Entries waiting in all. */
  get size(): number {
    return this.#size;
  }

  /** Entries of `key` waiting. */
  sizeOf(key: string): number {
    return this.#lanes.get(key)?.size ?? 0;
  }

  /** Keys that have entries waiting. */
  get keys(): number {
    return this.#lanes.size;
  }

  /** How many entries are served before `entry` of `key`, if every key may be served and nobody leaves. */
  ahead(key: string, entry: T): number {
    const at = [...this.#lanes.get(key) ?? []].indexOf(entry);
    let before = 0;
    let isEarlier = true;
    for (const [other, lane] of this.#lanes) {
      if (other === key) isEarlier = false;
      else before += Math.min(lane.size, isEarlier ? at + 1 : at);
    }
    return before + at;
  }

  push(key: string, entry: T): void {
    const lane = this.#lanes.get(key);
    if (lane) lane.add(entry);
    else this.#lanes.set(key, new Set([entry]));
    this.#size++;
  }

  /** Takes `entry` out of the queue, wherever it stands; false when it is not there any more. */
  remove(key: string, entry: T): boolean {
    const lane = this.#lanes.get(key);
    if (!lane?.delete(entry)) return false;
    if (lane.size === 0) this.#lanes.delete(key);
    this.#size--;
    return true;
  }

  /** The next entry whose key may be served, with its key's turn passed on; undefined when there is none. */
  take(mayServe: (key: string) => boolean): T | undefined {
    for (const [key, lane] of this.#lanes) {
      if (!mayServe(key)) continue;
      const [entry] = lane;
      this.#lanes.delete(key);
      lane.delete(entry!);
      if (lane.size > 0) this.#lanes.set(key, lane);
      this.#size--;
      return entry;
    }
    return undefined;
  }
}
