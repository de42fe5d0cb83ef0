/**
 * The last `capacity` items pushed. (lru-cache keeps items by key; here there is no key.)
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { RingBuffer } from "./ring_buffer.ts";
 *
 * const lines = new RingBuffer<string>(2);
 * for (const line of ["a", "b", "c"]) lines.push(line);
 * assertEquals(lines.last(Infinity), ["b", "c"]);
 * ```
 */
export class RingBuffer<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];
  #next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  push(item: T): void {
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** At most `count` of the latest items, oldest first. */
  last(count: number): T[] {
    const ordered = this.#items.length < this.#capacity
      ? this.#items
      : [...this.#items.slice(this.#next), ...this.#items.slice(0, this.#next)];
    return ordered.slice(Math.max(0, ordered.length - count));
  }
}
