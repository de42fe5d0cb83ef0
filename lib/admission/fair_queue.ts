/**
 * A round-robin queue: one entry of each key before a second of any, and the entries of a key in their order, so that
 * one busy session cannot starve another. All operations are O(1), except `take` past blocked keys.
 *
 * @example
 * ```ts
 * import { FairQueue } from "./fair_queue.ts";
 *
 * const queue = new FairQueue<string>();
 * queue.push("busy", "b1");
 * queue.push("busy", "b2");
 * queue.push("quiet", "q1");
 * const take = () => queue.take(() => true);
 * console.assert([take(), take(), take()].join() === "b1,q1,b2");
 * ```
 */
export class FairQueue<T> {
  // A Map keeps insertion order: the first key is next.
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

  /** How many entries are served before `entry` of `key`, if no key is blocked and no entry removed. */
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

  /** Removes `entry`; false when it is not in the queue. */
  remove(key: string, entry: T): boolean {
    const lane = this.#lanes.get(key);
    if (!lane?.delete(entry)) return false;
    if (lane.size === 0) this.#lanes.delete(key);
    this.#size--;
    return true;
  }

  /** Removes and returns the next entry whose key may be served; its key goes to the end of the queue. */
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
