import { type Json, type JsonObject, ownEntry } from "../../base/json.ts";
import { plainValue } from "../../base/plain_values.ts";
import type { ToolDefinition } from "../../wire/mcp.ts";

/** An argument of the MCP prompt for a tool. Its value is a string, as MCP requires. */
export interface Parameter {
  /** The displayed name; `task` for the first step of a stepwise tool. */
  name: string;
  /** The field of the tool. */
  field: string;
  required: boolean;
  schema: JsonObject;
}

/** Fields that the model fills in, not the user. */
const MODEL_FIELDS: readonly string[] = [
  "step_number",
  "total_steps",
  "next_step_required",
  "findings",
  "files_checked",
  "relevant_context",
  "issues_found",
  "confidence",
  "hypothesis",
  "backtrack_from_step",
  "use_assistant_model",
  "temperature",
  "images",
  "is_step_revision",
  "revises_step_number",
  "is_branch_point",
  "branch_from_step",
  "branch_id",
  "more_steps_needed",
  "num_files_documented",
  "total_files_to_document",
  "stream",
];

/** Values for required fields that the user need not enter. */
const FALLBACKS: JsonObject = {
  step_number: 1,
  total_steps: 3,
  next_step_required: true,
  findings: "(what you know so far)",
  trace_mode: "ask",
  document_complexity: false,
  document_flow: false,
  update_existing: true,
  comments_on_complex_logic: true,
  num_files_documented: 0,
  total_files_to_document: 0,
};

/** Returns the arguments of the prompt for `tool`. */
export function parametersOf(tool: ToolDefinition): Parameter[] {
  const { properties = {}, required = [] } = tool.inputSchema as {
    properties?: Record<string, JsonObject>;
    required?: string[];
  };
  return Object.entries(properties)
    .filter(([field]) => !MODEL_FIELDS.includes(field))
    .map(([field, schema]) => ({
      name: field === "step" ? "task" : field,
      field,
      required: required.includes(field) && !Object.hasOwn(FALLBACKS, field),
      schema,
    }));
}

/** Converts the texts a user entered to the arguments of a first call. */
export function firstCall(tool: ToolDefinition, given: Readonly<Record<string, string>>): JsonObject {
  const { required = [] } = tool.inputSchema as { required?: string[] };
  const fallbacks = required.filter((field) => Object.hasOwn(FALLBACKS, field))
    .map((field) => [field, FALLBACKS[field]]);
  const entered = parametersOf(tool).flatMap(({ name, field, schema }) => {
    const text = ownEntry(given, name)?.trim() ?? "";
    return text === "" ? [] : [[field, toValue(text, schema)]];
  });
  return Object.fromEntries([...fallbacks, ...entered]);
}

function toValue(text: string, schema: JsonObject): Json {
  switch (schema.type) {
    case "boolean":
      return /^(true|yes|1|on)$/i.test(text);
    case "integer":
    case "number":
      return Number.isFinite(Number(text)) ? Number(text) : text;
    case "array":
      return toList(text, schema.items as JsonObject);
    default:
      return text;
  }
}

/** Parses a list: names separated by commas, or JSON. */
function toList(text: string, items: JsonObject): Json[] {
  const list = plainValue(text, "array");
  if (list !== undefined) return list;
  const parts = text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  if (items.type !== "object") return parts;
  // `kimi:for` for consensus, the only list of objects that a user enters.
  return parts.map((part) => {
    const [, model = part, stance] = /^(.*):(for|against|neutral)$/.exec(part) ?? [];
    return stance === undefined ? { model } : { model, stance };
  });
}
