import { isObject, type Json, type JsonObject, textOf } from "../base/json.ts";
import { holdsData, holdsNamedSchemas } from "./schema_keywords.ts";

/** Alternatives inside alternatives that are looked into. */
const MAX_DEPTH = 8;

/** Whether what a schema describes is an object: in any case, in none, or in some. */
type IsObject = "always" | "never" | "maybe";

/**
 * `schema`, of any root (MCP 2026-07-28 server/tools, output schema), as an output schema of 2025-11-25, whose root is
 * of type `object`. What it describes is changed to match by {@linkcode legacyStructured}, which knows no schema: an
 * object stays, anything else becomes `result` of one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { legacyOutputSchema } from "./legacy_schemas.ts";
 *
 * const list = { type: "array", items: { $ref: "#/$defs/n" }, $defs: { n: { type: "number" } } };
 * assertEquals(legacyOutputSchema(list), {
 *   type: "object",
 *   properties: { result: { ...list, items: { $ref: "#/properties/result/$defs/n" } } },
 *   required: ["result"],
 * });
 * ```
 */
export function legacyOutputSchema(schema: JsonObject): JsonObject {
  if (schema.type === "object") return schema;
  const is = objectness(schema, 0);
  if (is === "always") return { ...schema, type: "object" };
  const dialect = textOf(schema.$schema);
  const head: JsonObject = dialect === undefined ? { type: "object" } : { $schema: dialect, type: "object" };
  if (is === "never") {
    return { ...head, properties: { result: moved(schema, "#/properties/result") }, required: ["result"] };
  }
  const value = { $ref: "#/$defs/value" };
  return {
    ...head,
    anyOf: [value, { properties: { result: value }, required: ["result"] }],
    $defs: { value: moved(schema, "#/$defs/value") },
  };
}

/**
 * The text of `structuredContent` of any type (MCP 2026-07-28 server/tools, structured content) as one of 2025-11-25,
 * which is an object; undefined where it is one already.
 */
export function legacyStructured(text: string): string | undefined {
  return text.startsWith("{") ? undefined : `{"result":${text}}`;
}

function objectness(schema: Json | undefined, depth: number): IsObject {
  if (!isObject(schema) || depth > MAX_DEPTH) return "maybe";
  const { type, anyOf, oneOf, allOf } = schema;
  if (typeof type === "string") return type === "object" ? "always" : "never";
  if (Array.isArray(type)) return !type.includes("object") ? "never" : type.length === 1 ? "always" : "maybe";
  if (Object.hasOwn(schema, "const")) return ofValues([schema.const]);
  if (Array.isArray(schema.enum)) return ofValues(schema.enum);
  const each = (schemas: readonly Json[]) => schemas.map((one) => objectness(one, depth + 1));
  if (Array.isArray(allOf)) {
    const parts = each(allOf);
    if (parts.includes("always") || parts.includes("never")) {
      return parts.includes("never") ? "never" : "always";
    }
  }
  const alternatives = [anyOf, oneOf].find((list) => Array.isArray(list) && list.length > 0);
  return Array.isArray(alternatives) ? ofAll(each(alternatives)) : "maybe";
}

function ofValues(values: readonly (Json | undefined)[]): IsObject {
  return ofAll(values.map((value) => isObject(value) ? "always" : "never"));
}

function ofAll(parts: readonly IsObject[]): IsObject {
  return parts.every((part) => part === parts[0]) ? parts[0] ?? "maybe" : "maybe";
}

/**
 * `schema` for a place `pointer` below another root: what refers to its own root refers there. A schema that has a base
 * of its own (`$id`) is the root of its references wherever it is.
 */
function moved(schema: JsonObject, pointer: string): JsonObject {
  // `$recursiveRef` of 2019-09 without an anchor is a reference to the root.
  const isRecursive = schema.$recursiveAnchor !== true;
  const visit = (node: Json | undefined, isNamed: boolean): Json | undefined => {
    if (Array.isArray(node)) return node.map((one) => visit(one, false)!);
    if (!isObject(node) || (!isNamed && hasBase(node))) return node;
    const entries = Object.entries(node).map(([key, value]): [string, Json | undefined] => {
      if (isNamed) return [key, visit(value, false)];
      if (key === "$recursiveRef" && value === "#" && isRecursive) return ["$ref", pointer];
      if (key === "$ref" || key === "$dynamicRef") return [key, movedRef(value, pointer)];
      if (holdsData(key)) return [key, value];
      return [key, visit(value, holdsNamedSchemas(key))];
    });
    return Object.fromEntries(entries);
  };
  return visit(schema, false) as JsonObject;
}

/** Whether the schema has a base of its own. Before 2019-09 an `$id` of a fragment alone is an anchor. */
function hasBase({ $id }: JsonObject): boolean {
  return $id !== undefined && !(typeof $id === "string" && $id.startsWith("#"));
}

function movedRef(ref: Json | undefined, pointer: string): Json | undefined {
  if (ref === "#") return pointer;
  return typeof ref === "string" && ref.startsWith("#/") ? pointer + ref.slice(1) : ref;
}
