import { isObject, type Json, type JsonObject } from "../../base/json.ts";

/** Keywords that structured outputs do not take. */
const REJECTED: readonly string[] = [
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "maxItems",
  "uniqueItems",
];

/**
 * Converts a JSON Schema to what structured outputs take: objects are closed, and bounds of numbers, texts and lists are
 * left out (https://platform.claude.com/docs/en/build-with-claude/structured-outputs).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { closedSchema } from "./closed_schema.ts";
 *
 * const schema = { type: "object", properties: { n: { type: "integer", minimum: 1 } } };
 * assertEquals(closedSchema(schema), {
 *   type: "object",
 *   properties: { n: { type: "integer" } },
 *   additionalProperties: false,
 * });
 * ```
 */
export function closedSchema(schema: JsonObject): JsonObject {
  const kept = Object.entries(schema).filter(([key]) => !REJECTED.includes(key));
  const closed = Object.fromEntries(kept.map(([key, value]) => [key, closeIn(key, value)]));
  return closed.type === "object" ? { ...closed, additionalProperties: false } : closed;
}

/** What stands in `properties` and `$defs` are names, and not keywords. */
function closeIn(key: string, value: Json | undefined): Json | undefined {
  if (Array.isArray(value)) return value.map((one) => isObject(one) ? closedSchema(one) : one);
  if (!isObject(value)) return value;
  if (key !== "properties" && key !== "$defs") return closedSchema(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, isObject(one) ? closedSchema(one) : one]),
  );
}
