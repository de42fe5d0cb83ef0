/**
 * A map that drops its oldest entry when it grows beyond `maxSize`. Entries are ordered by insertion, not by use, so that
 * reading is as cheap as in a plain map; that is why it is not an LRU cache.
 *
 * @example
 * ```ts
 * import { BoundedMap } from "./bounded_map.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const map = new BoundedMap<string, number>(2);
 * map.set("a", 1).set("b", 2).set("c", 3);
 * assertEquals([...map.keys()], ["b", "c"]);
 * ```
 */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #maxSize: number;

  constructor(maxSize: number) {
    super();
    this.#maxSize = maxSize;
  }

  override set(key: K, value: V): this {
    super.set(key, value);
    if (this.size > this.#maxSize) {
      const [oldest] = this.keys();
      this.delete(oldest!);
    }
    return this;
  }
}
