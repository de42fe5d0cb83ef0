import { UsageError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, textOf } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";

/** The types a JSON Schema allows for a value; empty: any. */
type Types = ReadonlySet<string>;

/** What an argument is for, of a tool's `inputSchema`. */
interface ToolParameter {
  name: string;
  /** As a person reads it: `string`, `number or null`, `one of a, b`. */
  type: string;
  isRequired: boolean;
  description: string;
}

/** Bounds the walk through a schema, which may refer to itself. */
const MAX_DEPTH = 16;

/**
 * The arguments of a tool from words as a person types them. The tool's schema says what a word means: `id=7` is a number
 * where the schema says so, and a text otherwise. `key:=JSON` is JSON whatever the schema says; a key that is given
 * several times is an array.
 *
 * @throws {UsageError}, naming the word and what is allowed
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseArguments } from "./tool_arguments.ts";
 *
 * const schema = { properties: { id: { type: "string" }, limit: { type: "integer" }, tags: { type: "array" } } };
 * assertEquals(parseArguments(["id=7", "limit=7", "tags=a", "tags=b"], schema), { id: "7", limit: 7, tags: ["a", "b"] });
 * assertEquals(parseArguments(['where:={"a":[1]}'], {}), { where: { a: [1] } });
 * ```
 */
export function parseArguments(words: readonly string[], schema: JsonObject): JsonObject {
  const given = new Map<string, Json[]>();
  const properties = propertiesOf(schema);
  for (const word of words) {
    const { key, text, isJson } = splitWord(word);
    checkKey(key, { properties, schema });
    const value = isJson
      ? parseJson(key, text)
      : valueOf(key, text, { schema: properties.get(key), root: schema });
    given.set(key, [...given.get(key) ?? [], value]);
  }
  return Object.fromEntries(Array.from(given, ([key, values]) => {
    const types = typesOf(properties.get(key), { root: schema });
    return [key, merge(key, values, types)] as const;
  }));
}

/** The required arguments that `args` lacks. */
export function missingArguments(args: JsonObject, schema: JsonObject): string[] {
  const required = Array.isArray(schema.required)
    ? schema.required.filter((name) => typeof name === "string")
    : [];
  return required.filter((name) => !Object.hasOwn(args, name));
}

/** What a tool takes, in the order of its schema. */
export function parametersOf(schema: JsonObject): ToolParameter[] {
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  return Array.from(propertiesOf(schema), ([name, property]) => ({
    name,
    type: describeType(property, schema),
    isRequired: required.has(name),
    description: textOf(isObject(property) ? property.description : undefined) ?? "",
  }));
}

function propertiesOf(schema: JsonObject): Map<string, Json> {
  const { properties } = schema;
  return new Map(
    isObject(properties) ? Object.entries(properties).map(([key, value]) => [key, value ?? true]) : [],
  );
}

function splitWord(word: string): { key: string; text: string; isJson: boolean } {
  const at = word.indexOf("=");
  if (at <= 0) {
    throw new UsageError(
      `${quoteName(word)} is no argument; write key=value, or key:=JSON for a value that is not a text`,
    );
  }
  const isJson = at > 1 && word[at - 1] === ":";
  return { key: word.slice(0, isJson ? at - 1 : at), text: word.slice(at + 1), isJson };
}

function checkKey(
  key: string,
  { properties, schema }: { properties: Map<string, Json>; schema: JsonObject },
): void {
  if (properties.has(key) || schema.additionalProperties !== false) return;
  const names = [...properties.keys()];
  const allowed = names.length === 0 ? "it takes none" : `it takes ${names.join(", ")}`;
  throw new UsageError(
    `the tool has no argument ${quoteName(key)}${didYouMean(key, names)}; ${allowed}`,
  );
}

function parseJson(key: string, text: string): Json {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new UsageError(
      `${key}:= takes JSON, and ${quoteName(text)} is none: ${(thrown as Error).message}`,
    );
  }
}

/** A word by the schema of its argument: the first of its types that fits, a text last. */
function valueOf(key: string, text: string, of: { schema: Json | undefined; root: JsonObject }): Json {
  const types = typesOf(of.schema, { root: of.root });
  const parsed = jsonIn(text);
  const isAny = types.size === 0;
  if (parsed !== undefined && typeof parsed.value !== "string" && (isAny || allows(types, parsed.value))) {
    return parsed.value;
  }
  if (isAny || types.has("string")) return text;
  // Of a list, a word may be one item.
  if (types.has("array")) return valueOf(key, text, { schema: itemsOf(of.schema, of.root), root: of.root });
  const allowed = describeType(of.schema ?? true, of.root);
  throw new UsageError(`${key} is ${quoteName(text)}; allowed: ${allowed}`);
}

/** What the items of a list are; undefined: anything. */
function itemsOf(schema: Json | undefined, root: JsonObject, depth = 0): Json | undefined {
  if (!isObject(schema) || depth > MAX_DEPTH) return undefined;
  if (typeof schema.$ref === "string") return itemsOf(refersTo(schema.$ref, root), root, depth + 1);
  if (schema.items !== undefined) return schema.items;
  const parts = [schema.anyOf, schema.oneOf, schema.allOf].filter(Array.isArray).flat() as Json[];
  return parts.map((part) => itemsOf(part, root, depth + 1)).find((items) => items !== undefined);
}

function jsonIn(text: string): { value: Json } | undefined {
  try {
    const value: Json = JSON.parse(text);
    // Another number would be sent than the one that was typed.
    if (/^-?\d+$/.test(text) && !Number.isSafeInteger(value)) return undefined;
    return { value };
  } catch {
    return undefined;
  }
}

function allows(types: Types, value: Json): boolean {
  if (typeof value === "number") {
    return types.has("number") || types.has("integer") && Number.isInteger(value);
  }
  return types.has(value === null ? "null" : Array.isArray(value) ? "array" : typeof value);
}

/** One value as it is, several as an array; of an argument that is an array, each is an item of it. */
function merge(key: string, values: readonly Json[], types: Types): Json {
  const [first = null] = values;
  const isArray = types.has("array");
  if (values.length === 1) return isArray && !types.has("string") && !Array.isArray(first) ? [first] : first;
  if (types.size > 0 && !isArray) {
    throw new UsageError(`${key} is given ${values.length} times, and takes one value`);
  }
  return values.flat();
}

/** The types that `schema` allows, with those of its alternatives. */
function typesOf(schema: Json | undefined, { root, depth = 0 }: { root: JsonObject; depth?: number }): Types {
  if (!isObject(schema) || depth > MAX_DEPTH) return new Set();
  const inner = { root, depth: depth + 1 };
  if (typeof schema.$ref === "string") return typesOf(refersTo(schema.$ref, root), inner);
  if (schema.type !== undefined) {
    return new Set([schema.type].flat().filter((type) => typeof type === "string"));
  }
  const values = Array.isArray(schema.enum) ? schema.enum : schema.const === undefined ? [] : [schema.const];
  if (values.length > 0) return new Set(values.map((value) => value === null ? "null" : typeof value));
  const parts = [schema.anyOf, schema.oneOf, schema.allOf].filter(Array.isArray).flat();
  const types = parts.map((part) => typesOf(part as Json, inner));
  // An alternative without a type allows anything.
  return types.some(({ size }) => size === 0) ? new Set() : new Set(types.flatMap((some) => [...some]));
}

/** What a reference within the document leads to, as `#/$defs/Item`. */
function refersTo(ref: string, root: JsonObject): Json | undefined {
  if (!ref.startsWith("#/")) return undefined;
  const path = ref.slice(2).split("/").map((part) => decodePart(part));
  return path.reduce<Json | undefined>((at, part) => isObject(at) ? at[part] : undefined, root);
}

function decodePart(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

function describeType(schema: Json, root: JsonObject): string {
  const values = isObject(schema) && Array.isArray(schema.enum) ? schema.enum : [];
  if (values.length > 0) return `one of ${values.map(String).join(", ")}`;
  const types = [...typesOf(schema, { root })];
  return types.length === 0 ? "any" : types.join(" or ");
}
