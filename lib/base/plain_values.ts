import { isObject, type Json, type JsonObject, parseJson } from "./json.ts";

/**
 * The value a text plainly stands for where a value of `type` is wanted, since some models write all arguments as texts;
 * undefined if the text may mean something else.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { plainValue } from "./plain_values.ts";
 *
 * assertEquals(plainValue(" 12 ", "number"), 12);
 * assertEquals(plainValue("12 s", "number"), undefined);
 * assertEquals(plainValue("True", "boolean"), true);
 * assertEquals(plainValue('["a"]', "array"), ["a"]);
 * ```
 */
export function plainValue(text: string, type: "number"): number | undefined;
export function plainValue(text: string, type: "boolean"): boolean | undefined;
export function plainValue(text: string, type: "number" | "boolean"): number | boolean | undefined;
export function plainValue(text: string, type: "array"): Json[] | undefined;
export function plainValue(text: string, type: "object"): JsonObject | undefined;
export function plainValue(text: string, type: "number" | "boolean" | "array" | "object"): Json | undefined {
  const trimmed = text.trim();
  switch (type) {
    case "number":
      return /^[+-]?\d{1,15}(?:\.\d{1,15})?$/.test(trimmed) ? Number(trimmed) : undefined;
    case "boolean":
      return /^(?:true|false)$/i.test(trimmed) ? trimmed.toLowerCase() === "true" : undefined;
    case "array": {
      const value = trimmed.startsWith("[") ? parseJson(trimmed) : undefined;
      return Array.isArray(value) ? value : undefined;
    }
    case "object": {
      const value = trimmed.startsWith("{") ? parseJson(trimmed) : undefined;
      return isObject(value) ? value : undefined;
    }
  }
}
