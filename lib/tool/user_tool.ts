import * as z from "zod";
import { ExaiError, messageOf } from "../base/errors.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { OUTPUT_SCHEMA } from "./tool_output.ts";
import { BUILTIN_TOOLS } from "./builtin/tools.ts";
import { argumentError, checkSize } from "./argument_errors.ts";
import { ANNOTATION_HINTS, type ToolAnnotations } from "./annotations.ts";
import type { OptionalToolOutput, Tool, ToolContext } from "./tool.ts";

export { serveUserTool } from "./user_tool_services.ts";

/** Runs a tool of the user's own: what it gives back is JSON, or nothing. */
type RunUserTool = (args: JsonObject, context: ToolContext) => Promise<Json | undefined>;

interface UserToolOptions {
  /** What it is called where it does not say: the name of its file. */
  fallbackName: string;
  run: RunUserTool;
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const TAKEN = new Set(BUILTIN_TOOLS.map(({ name }) => name));

/**
 * Makes a {@linkcode Tool} of what the module of a user's tool says of itself (docs/user-tools.md).
 *
 * @param said its default export, as far as that is JSON
 * @throws {ExaiError} `CONFIG` with what is wrong and what is allowed
 */
export function defineUserTool(said: JsonObject, { fallbackName, run }: UserToolOptions): Tool {
  const name = nameOf(said.name ?? fallbackName);
  const description = textOf("description", said.description);
  const inputSchema = schemaOf(said.inputSchema);
  const input = readSchema(inputSchema);
  const fields = Object.keys(inputSchema.properties as JsonObject);
  return {
    name,
    definition: {
      name,
      title: said.title === undefined ? name : textOf("title", said.title),
      description,
      inputSchema,
      outputSchema: OUTPUT_SCHEMA,
      annotations: annotationsOf(said.annotations),
    },
    async call(args, context) {
      checkSize(name, args, fields);
      const parsed = input.safeParse(args);
      if (!parsed.success) throw argumentError(name, parsed.error.issues, fields);
      return toOutcome(await run(parsed.data as JsonObject, context));
    },
  };
}

function nameOf(name: Json): string {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw configError(`name is ${JSON.stringify(name)}; allowed: 1 to 64 of A-Z a-z 0-9 _ -`);
  }
  if (TAKEN.has(name)) throw configError(`name is ${name}, which is a tool of EXAI's own; choose another`);
  return name;
}

function textOf(field: string, text: Json | undefined): string {
  if (typeof text === "string" && text.trim() !== "") return text;
  throw configError(
    `${field} is ${JSON.stringify(text) ?? "missing"}; allowed: a text that says what it is for`,
  );
}

/** The schema as it is published: an object whose fields are all named, unless it says that others are welcome. */
function schemaOf(schema: Json = { type: "object" }): JsonObject {
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

function readSchema(schema: JsonObject): z.ZodType {
  try {
    return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  } catch (thrown) {
    throw configError(`inputSchema cannot be used: ${messageOf(thrown)}`);
  }
}

/** What it does not say of itself is left to the client, which then takes it for unsafe (MCP `ToolAnnotations`). */
function annotationsOf(said: Json = {}): ToolAnnotations {
  if (!isObject(said)) throw configError(`annotations must be an object of ${ANNOTATION_HINTS.join(", ")}`);
  const annotations: ToolAnnotations = {};
  for (const hint of ANNOTATION_HINTS) {
    const value = said[hint];
    if (value !== undefined && typeof value !== "boolean") {
      throw configError(`annotations.${hint} must be true or false`);
    }
    if (value !== undefined) annotations[hint] = value;
  }
  return annotations;
}

function toOutcome(value: Json | undefined): OptionalToolOutput {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" || isObject(value)) return { content: value };
  return { content: JSON.stringify(value) };
}

function configError(message: string): ExaiError {
  return new ExaiError("CONFIG", message);
}
