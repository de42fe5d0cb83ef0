import type { JsonObject } from "../../lib/base/json.ts";

/** One schema within another, and the way to it. */
export interface Node {
  schema: JsonObject;
  /** `messages[].role`; empty for the whole. */
  path: string;
  depth: number;
}

/** Every schema within `schema`, itself first. Property names that look like keywords are not taken for them. */
export function* nodesOf(schema: JsonObject, path = "", depth = 1): Generator<Node> {
  yield { schema, path, depth };
  for (const [name, property] of Object.entries((schema.properties ?? {}) as JsonObject)) {
    yield* nodesOf(property as JsonObject, path === "" ? name : `${path}.${name}`, depth + 1);
  }
  if (schema.items !== undefined) yield* nodesOf(schema.items as JsonObject, `${path}[]`, depth + 1);
}

const TYPES = ["object", "array", "string", "number", "integer", "boolean"];
const COMBINATORS = [
  "$ref",
  "$defs",
  "definitions",
  "anyOf",
  "oneOf",
  "allOf",
  "not",
  "if",
  "const",
  "patternProperties",
];

/** What both follow: one plain type each, arrays with typed items, `required` that is there. */
function plainFaults({ schema, path }: Node): string[] {
  const faults: string[] = [];
  if (!TYPES.includes(schema.type as string)) {
    faults.push(`${path} has the type ${JSON.stringify(schema.type)}`);
  }
  if (schema.type === "array" && schema.items === undefined) faults.push(`${path} has no items`);
  for (const key of COMBINATORS) if (key in schema) faults.push(`${path} has ${key}`);
  const names = Object.keys((schema.properties ?? {}) as JsonObject);
  for (const name of (schema.required ?? []) as string[]) {
    if (!names.includes(name)) faults.push(`${path} requires ${name}, which it has not`);
  }
  return faults;
}

/** What OpenAI would refuse a function definition for (function calling and structured outputs, limits). */
export function openAiFaults(tool: JsonObject): string[] {
  const nodes = [...nodesOf(tool.inputSchema as JsonObject)];
  const faults = nodes.flatMap(plainFaults);
  const root = nodes[0]!.schema;
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(String(tool.name))) faults.push(`the name ${tool.name}`);
  if (String(tool.description).length > 1024) faults.push("the description is longer than 1024 characters");
  if (root.type !== "object" || "enum" in root) faults.push("the root is no plain object");
  if (nodes.length > 5000) faults.push(`${nodes.length} properties`);
  if (Math.max(...nodes.map(({ depth }) => depth)) > 10) faults.push("more than 10 levels");
  const enums = nodes.flatMap(({ schema }) => (schema.enum ?? []) as string[]);
  if (enums.length > 1000) faults.push(`${enums.length} enum values`);
  for (const { path } of nodes) {
    if (path !== "" && !/^[\w.[\]-]+$/.test(path)) faults.push(`the property ${path}`);
  }
  return faults;
}

/** The keywords of Gemini's `Schema` object (Gemini API, function declarations). */
const GEMINI_KEYWORDS = [
  "type",
  "format",
  "title",
  "description",
  "nullable",
  "enum",
  "maxItems",
  "minItems",
  "properties",
  "required",
  "propertyOrdering",
  "items",
  "minimum",
  "maximum",
  "default",
  "example",
];

/** What Gemini would refuse a function declaration for, once its client has taken `additionalProperties` out. */
export function geminiFaults(tool: JsonObject): string[] {
  const faults: string[] = [];
  if (!/^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/.test(String(tool.name))) faults.push(`the name ${tool.name}`);
  for (const node of nodesOf(tool.inputSchema as JsonObject)) {
    const { schema, path } = node;
    faults.push(...plainFaults(node));
    const unknown = Object.keys(schema).filter((key) =>
      key !== "additionalProperties" && !GEMINI_KEYWORDS.includes(key)
    );
    if (unknown.length > 0) faults.push(`${path} has ${unknown}`);
    if ("enum" in schema && schema.type !== "string") faults.push(`${path} is an enum of no strings`);
    const isEmpty = Object.keys((schema.properties ?? {}) as JsonObject).length === 0;
    // Without any parameter the client leaves the whole schema out.
    if (schema.type === "object" && isEmpty && path !== "") {
      faults.push(`${path} is an object without properties`);
    }
  }
  return faults;
}
