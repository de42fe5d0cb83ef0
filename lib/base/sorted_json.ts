import type { Json, JsonObject } from "./json.ts";

/**
 * `value` with the members of each of its objects in one order: two values that say the same are written the same way,
 * in whatever order their members came.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sortedJson } from "./sorted_json.ts";
 *
 * assertEquals(JSON.stringify(sortedJson({ b: 1, a: [{ d: 2, c: 3 }] })), '{"a":[{"c":3,"d":2}],"b":1}');
 * ```
 */
export function sortedJson(value: Json): Json {
  if (Array.isArray(value)) return value.map(sortedJson);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value as JsonObject).filter(([, part]) => part !== undefined);
  entries.sort(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(entries.map(([name, part]) => [name, sortedJson(part!)]));
}
