import { pooledMap } from "@std/async/pool";

/**
 * What `map` makes of each of `items`, in their order, with at most `limit` under way at once. Where one throws, none is
 * begun any more, and what it threw is thrown as it is: `pooledMap` would hide its message and its code in an
 * `AggregateError` of its own.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mapSome } from "./map_some.ts";
 *
 * assertEquals(await mapSome(2, [1, 2, 3], (item) => Promise.resolve(item * 2)), [2, 4, 6]);
 * ```
 */
export async function mapSome<Item, Made>(
  limit: number,
  items: Iterable<Item>,
  map: (item: Item) => Promise<Made>,
): Promise<Made[]> {
  try {
    return await Array.fromAsync<Made>(pooledMap(limit, items, map));
  } catch (thrown) {
    throw thrown instanceof AggregateError ? thrown.errors[0] : thrown;
  }
}
