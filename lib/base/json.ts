import { clip } from "./text.ts";

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | JsonObject;

/** A JSON object; a missing field reads as `undefined`. */
export type JsonObject = { [key: string]: Json | undefined };

/** The value in `text`; undefined if it is no JSON. */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The value in `text` with the numbers that would be written otherwise, such as `1.0` and integers beyond 2^53, as
 * {@linkcode rawJson}: for what is taken apart and written again. It is not to be calculated with: see
 * {@linkcode plainOf}.
 *
 * @throws {SyntaxError} it is no JSON
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { exactJson } from "./json.ts";
 *
 * assertEquals(JSON.stringify(exactJson('{"a": [1.0, 9007199254740993, 2]}')), '{"a":[1.0,9007199254740993,2]}');
 * ```
 */
export function exactJson(text: string): Json {
  const plain: Json = JSON.parse(text);
  if (!MAYBE_CHANGED.test(text)) return plain;
  const exact: Reviver = (_, value, { source = "" }) =>
    typeof value === "number" && String(value) !== source ? rawJson(clip(source, source.length)) : value;
  try {
    return JSON.parse(text, exact as (key: string, value: Json) => Json);
  } catch {
    // Nested deeper than a reviver can follow.
    return plain;
  }
}

type Reviver = (key: string, value: Json, context: { source?: string }) => Json;

/** What each number has somewhere that is written otherwise. It may be found in a string, too. */
const MAYBE_CHANGED = /\d[eE]|\.\d*0(?!\d)|[\d.]{16}|-0|\.0{6}/;

/** `value` with all numbers as JavaScript has them, and not as {@linkcode rawJson}. */
export function plainOf<T extends Json>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

/**
 * `text`, which is JSON of a primitive value, as a value that `JSON.stringify` writes as it is (TC39, JSON.parse source
 * text access): a number that a double cannot hold. It is not to be read.
 */
export function rawJson(text: string): Json {
  return (JSON as unknown as { rawJSON(text: string): Json }).rawJSON(text);
}

/** Whether `value` is a JSON object: neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * `value` if it is a string. `String()` and templates are not for foreign values: an object whose `toString` is no
 * function, or an array nested thousands deep, makes them throw.
 */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** `value` if it is a number. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/**
 * The entry of `table` under a foreign name. `table[name]` also finds what every object inherits, such as
 * `constructor` and `__proto__`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ownEntry } from "./json.ts";
 *
 * assertEquals(ownEntry({ a: 1 }, "a"), 1);
 * assertEquals(ownEntry({ a: 1 }, "constructor"), undefined);
 * ```
 */
export function ownEntry<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/**
 * The value of `root` at `path`, keys and indexes from the root; undefined where there is none. What every object inherits,
 * such as `constructor`, is none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { valueAt } from "./json.ts";
 *
 * assertEquals(valueAt({ a: [{ b: 1 }] }, ["a", 0, "b"]), 1);
 * assertEquals(valueAt({ a: [] }, ["a", "length"]), undefined);
 * ```
 */
export function valueAt(root: Json | undefined, path: readonly (string | number)[]): Json | undefined {
  let value = root;
  for (const key of path) {
    if (Array.isArray(value)) value = typeof key === "number" ? value[key] : undefined;
    else if (isObject(value)) value = ownEntry(value, String(key));
    else return undefined;
  }
  return value;
}
