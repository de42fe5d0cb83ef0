import type { Json, JsonObject } from "../base/json.ts";
import { FILE_KEYS } from "./setting_keys.ts";
import { SECRETS_KEY } from "./settings_file.ts";
import { type JsonType, type Setting, SETTINGS } from "./settings.ts";

/** JSON Schema (draft 7, which VS Code reads in full) of `exai.json`, for completion in an editor. */
export function settingsJsonSchema(): JsonObject {
  const keys = Array.from(FILE_KEYS, ([key, name]) => [key, schemaOf(SETTINGS[name])] as const);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "exai.json of EXAI",
    description: "Settings of the EXAI daemon and of every window's shim",
    type: "object",
    properties: { $schema: { type: "string" }, ...Object.fromEntries(keys), [SECRETS_KEY]: SECRETS_SCHEMA },
    additionalProperties: false,
  };
}

const SECRETS_SCHEMA: JsonObject = {
  description: "Secrets that programs print, by name: what ${secret:NAME} stands for in mcp.json and here",
  type: "object",
  propertyNames: { pattern: "^[A-Za-z0-9._-]{1,64}$" },
  additionalProperties: {
    type: "object",
    properties: {
      command: { type: "array", items: { type: "string" }, minItems: 1 },
      env: { type: "object", additionalProperties: { type: "string" } },
      timeout: { type: "number", exclusiveMinimum: 0, maximum: 300 },
    },
    required: ["command"],
    additionalProperties: false,
  },
};

function schemaOf(setting: Setting): JsonObject {
  const { types = ["string"], unit, help, allowed, env } = setting;
  const shapes = types.map((type) => shapeOf(setting, type));
  const among = unit === undefined || types.length > 1 ? "" : ` (${unit})`;
  return {
    description: `${help}${among}. Allowed: ${allowed}. As a variable: ${env}`,
    ...(shapes.length === 1 ? shapes[0]! : { anyOf: shapes }),
    ...defaultOf(setting),
  };
}

function shapeOf({ range, values, types, fallback }: Setting, type: JsonType): JsonObject {
  switch (type) {
    case "array":
      return { type, items: { type: "string", pattern: "^[^,]*$" } };
    case "object":
      return { type, additionalProperties: values ? { enum: [...values] } : true };
    case "string":
      if (types?.includes("integer")) return { const: fallback };
      return values && !types ? { type, enum: [...values] } : { type };
    case "integer":
    case "number":
      return range ? { type, minimum: range[0], maximum: range[1] } : { type };
    default:
      return { type };
  }
}

function defaultOf({ fallback, types = ["string"] }: Setting): JsonObject {
  const value: Json = types.includes("boolean")
    ? fallback === "true"
    : types.some((type) => type === "number" || type === "integer") && /^[\d.]+$/.test(fallback)
    ? Number(fallback)
    : fallback;
  return value === "" ? {} : { default: value };
}
