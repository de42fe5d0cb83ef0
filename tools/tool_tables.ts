import type { JsonObject } from "../lib/base/json.ts";
import { BUILTIN_TOOLS } from "../lib/tool/builtin/tools.ts";
import type { ToolNeeds } from "../lib/tool/tool.ts";

/** A field of a tool as the documentation shows it. */
interface Field {
  name: string;
  required: boolean;
  schema: JsonObject;
}

const DEFINITIONS = BUILTIN_TOOLS.map(({ definition }) => definition);

/** The tool whose fields stand for those that all tools that ask a model, or work in steps, have in common. */
const MODEL_EXAMPLE = "chat";
const STEP_EXAMPLE = "debug";

const MODEL_FIELDS = ["model", "temperature", "thinking_mode", "use_websearch", "continuation_id", "images"];
const STEP_FIELDS = fieldsOf(STEP_EXAMPLE).map(({ name }) => name).filter((name) =>
  !MODEL_FIELDS.includes(name)
);

/** What a tool asks, by what it needs. */
const ASKED: Readonly<Record<ToolNeeds, string>> = {
  model: "a model",
  kimi: "Kimi",
  agent: "another agent",
};

/** Rows of tool, what it is for, its own fields, and whether it works in steps and what it asks. */
export function toolRows(): string[][] {
  return BUILTIN_TOOLS.map(({ name, needs, definition: { description } }) => {
    const fields = fieldsOf(name);
    const isAskedAsOthers = fields.some((field) => field.name === "model");
    const steps = fields.some((field) => field.name === "step");
    const common = [...(steps ? STEP_FIELDS : []), ...(isAskedAsOthers ? MODEL_FIELDS : [])];
    const own = fields.filter((field) => !common.includes(field.name)).map(describe).join(", ");
    return [
      `\`${name}\``,
      String(description),
      own,
      [steps && "steps", needs && ASKED[needs]].filter(Boolean).join(", "),
    ];
  });
}

/** Rows of the fields that tools that work in steps have in common. */
export function stepFieldRows(): string[][] {
  return commonRows(STEP_EXAMPLE, STEP_FIELDS);
}

/** Rows of the fields that tools that ask a model have in common. */
export function modelFieldRows(): string[][] {
  return commonRows(MODEL_EXAMPLE, MODEL_FIELDS);
}

function commonRows(tool: string, names: readonly string[]): string[][] {
  const fields = fieldsOf(tool).filter(({ name }) => names.includes(name));
  return fields.map((
    field,
  ) => [describe(field), typeOf(field.schema), String(field.schema.description ?? "")]);
}

function fieldsOf(tool: string): Field[] {
  const { inputSchema } = DEFINITIONS.find(({ name }) => name === tool)!;
  const required = (inputSchema.required ?? []) as string[];
  const properties = (inputSchema.properties ?? {}) as Record<string, JsonObject>;
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    required: required.includes(name),
    schema,
  }));
}

function describe({ name, required }: Field): string {
  return required ? `**\`${name}\`**` : `\`${name}\``;
}

function typeOf({ type, items, ...rest }: JsonObject): string {
  if (Array.isArray(rest.enum)) return rest.enum.join(", ");
  if (type === "array") return `array of ${typeOf(items as JsonObject)}`;
  const { minimum, maximum } = rest as { minimum?: number; maximum?: number };
  const range = minimum === undefined
    ? ""
    : maximum === undefined || maximum > 1e9
    ? ` from ${minimum}`
    : ` from ${minimum} to ${maximum}`;
  return `${type === "integer" ? "whole number" : type}${range}`;
}
