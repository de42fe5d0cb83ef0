import { isObject, type Json } from "../../base/json.ts";

/** The content of a message by what it is. */
interface ContentParts {
  text: string;
  reasoning: string;
  refusal: string;
}

/** Types of parts that hold thoughts: of Mistral, OpenRouter, Databricks and Anthropic through gateways. */
const THOUGHTS = ["thinking", "reasoning", "reasoning.text", "reasoning.summary", "summary_text", "thought"];

/** Fields in which a part may hold its text. */
const TEXT_FIELDS = ["text", "output_text", "thinking", "reasoning", "summary", "content", "value"] as const;

/**
 * Reads `content` of a message: a text, or a list of parts as Mistral, gpt-oss and some gateways send it. Parts without
 * text, such as references, are left out.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readContent } from "./content_parts.ts";
 *
 * const { text, reasoning } = readContent([{ type: "thinking", thinking: "Hm." }, { type: "text", text: "42." }]);
 * assertEquals([text, reasoning], ["42.", "Hm."]);
 * ```
 */
export function readContent(content: Json | undefined): ContentParts {
  const read: ContentParts = { text: "", reasoning: "", refusal: "" };
  for (const part of Array.isArray(content) ? content : [content]) {
    if (!isObject(part)) read.text += flatText(part);
    else if (part.type === "refusal") read.refusal += flatText(part.refusal ?? part.text);
    else if (part.thought === true || THOUGHTS.includes(String(part.type))) read.reasoning += flatText(part);
    else if (part.type === undefined && TEXT_FIELDS.every((field) => part[field] === undefined)) {
      // The object itself is the answer, which was to be JSON.
      read.text += JSON.stringify(part);
    } else read.text += flatText(part);
  }
  return read;
}

/** The text of a text, of a part, or of a list of parts, however nested. */
export function flatText(value: Json | undefined): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return value.map(flatText).join("");
  if (!isObject(value)) return "";
  const field = TEXT_FIELDS.find((name) => value[name] !== undefined && value[name] !== null);
  return field === undefined ? "" : flatText(value[field]);
}
