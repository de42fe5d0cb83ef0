import type { Json } from "../base/json.ts";
import { isObject } from "../base/json.ts";
import type { JsonType, Setting } from "./settings.ts";

/** A value of `exai.json` as the text of its setting, or what is wrong with it. */
type ReadValue = { kind: "text"; text: string } | { kind: "fault"; message: string };

/**
 * Reads the value of `setting` in `exai.json`. Settings are texts, whatever they come from, so that one reader holds for
 * all.
 */
export function readValue(setting: Setting, value: Json): ReadValue {
  const { types = ["string"] } = setting;
  const type = types.find((type) => hasType(value, type));
  const text = type && textOf(value);
  if (text !== undefined && setting.read(text) !== undefined) return { kind: "text", text };
  const shown = setting.secret ? "(a secret, not shown)" : JSON.stringify(value);
  return { kind: "fault", message: `is ${shown}; allowed: ${setting.allowed}${hint(types, value)}` };
}

function hasType(value: Json, type: JsonType): boolean {
  switch (type) {
    case "array":
      // Settings are lists separated by commas elsewhere.
      return Array.isArray(value) && value.every((part) => typeof part === "string" && !part.includes(","));
    case "object":
      return isObject(value);
    case "integer":
    case "number":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    case "string":
      return typeof value === "string";
  }
}

function textOf(value: Json): string {
  if (Array.isArray(value)) return value.join(",");
  return isObject(value) ? JSON.stringify(value) : String(value);
}

/** The array that a text with commas means, which variables and flags take. */
function arrayOf(value: Json): string {
  const parts = typeof value === "string" ? value.split(",").map((part) => part.trim()).filter(Boolean) : [];
  const shown = parts.length > 0 ? parts : ["a", "b"];
  return `it as an array of texts without commas: [${shown.map((part) => JSON.stringify(part)).join(", ")}]`;
}

/** How a value of the right content and the wrong type is written. */
function hint(types: readonly JsonType[], value: Json): string {
  if (types.some((type) => hasType(value, type))) return "";
  if (types.includes("array")) return `; write ${arrayOf(value)}`;
  if (types.includes("string")) return ", as a text in quotes";
  return types.includes("object") ? "" : ", without quotes";
}
