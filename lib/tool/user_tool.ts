import * as z from "zod";
import { ExaiError, messageOf } from "../base/errors.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { ANNOTATION_HINTS, type ToolAnnotations } from "./annotations.ts";
import { readArguments } from "./arguments.ts";
import { BUILTIN_TOOLS } from "./builtin/tools.ts";
import type { OptionalToolOutput, Tool, ToolContext } from "./tool.ts";
import { OUTPUT_SCHEMA } from "./tool_output.ts";

export { serveUserTool } from "./user_tool_services.ts";

/** Runs the code of a user's tool; returns JSON or nothing. */
type RunUserTool = (args: JsonObject, context: ToolContext) => Promise<Json | undefined>;

interface UserToolOptions {
  /** The name of the tool if its module exports none: the name of the file. */
  fallbackName: string;
  run: RunUserTool;
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const BUILTIN_NAMES = new Set(BUILTIN_TOOLS.map(({ name }) => name));

/**
 * Creates a {@linkcode Tool} from the default export of a user's module (docs/user-tools.md).
 *
 * @param declaration the JSON part of the default export
 * @throws {ExaiError} `CONFIG` naming the invalid field and what is allowed
 */
export function defineUserTool(declaration: JsonObject, { fallbackName, run }: UserToolOptions): Tool {
  const name = parseName(declaration.name ?? fallbackName);
  const description = parseText("description", declaration.description);
  const inputSchema = parseSchema(declaration.inputSchema);
  const input = toValidator(inputSchema);
  const fields = Object.keys(inputSchema.properties as JsonObject);
  return {
    name,
    definition: {
      name,
      title: declaration.title === undefined ? name : parseText("title", declaration.title),
      description,
      inputSchema,
      outputSchema: OUTPUT_SCHEMA,
      annotations: parseAnnotations(declaration.annotations),
    },
    // It may ask models.
    takesLong: true,
    async call(args, context) {
      const read = readArguments(args, { tool: name, schema: input, fields });
      return toOutput(await run(read as JsonObject, context));
    },
  };
}

function parseName(name: Json): string {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw configError(`name is ${JSON.stringify(name)}; allowed: 1 to 64 of A-Z a-z 0-9 _ -`);
  }
  if (BUILTIN_NAMES.has(name)) {
    throw configError(`name is ${name}, which is a tool of EXAI's own; choose another`);
  }
  return name;
}

function parseText(field: string, text: Json | undefined): string {
  if (typeof text === "string" && text.trim() !== "") return text;
  throw configError(
    `${field} is ${JSON.stringify(text) ?? "missing"}; allowed: a text that says what it is for`,
  );
}

/** Completes the schema for publication. Unknown fields are rejected unless the schema allows them. */
function parseSchema(schema: Json = { type: "object" }): JsonObject {
  if (!isObject(schema) || schema.type !== "object") {
    throw configError(
      'inputSchema must be a JSON Schema of an object: { type: "object", properties: { ... } }',
    );
  }
  const { properties = {} } = schema;
  if (!isObject(properties)) throw configError("inputSchema.properties must be an object of fields by name");
  const required = Array.isArray(schema.required) ? schema.required : [];
  const unknown = required.find((field) => !Object.hasOwn(properties, String(field)));
  if (unknown !== undefined) {
    throw configError(`inputSchema.required names ${JSON.stringify(unknown)}, which is not in properties`);
  }
  return { additionalProperties: false, ...schema, properties };
}

function toValidator(schema: JsonObject): z.ZodType {
  try {
    return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  } catch (thrown) {
    throw configError(`inputSchema cannot be used: ${messageOf(thrown)}`);
  }
}

/** Omitted hints have the defaults of MCP `ToolAnnotations`, which assume an unsafe tool. */
function parseAnnotations(hints: Json = {}): ToolAnnotations {
  if (!isObject(hints)) throw configError(`annotations must be an object of ${ANNOTATION_HINTS.join(", ")}`);
  const annotations: ToolAnnotations = {};
  for (const hint of ANNOTATION_HINTS) {
    const value = hints[hint];
    if (value !== undefined && typeof value !== "boolean") {
      throw configError(`annotations.${hint} must be true or false`);
    }
    if (value !== undefined) annotations[hint] = value;
  }
  return annotations;
}

function toOutput(value: Json | undefined): OptionalToolOutput {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" || isObject(value)) return { content: value };
  return { content: JSON.stringify(value) };
}

function configError(message: string): ExaiError {
  return new ExaiError("CONFIG", message);
}
