import { ExaiError } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import type { ChatContent, ChatMessage, ModelInfo } from "../provider.ts";

/** The bytes in a `data:` URL. */
interface InlineData {
  mimeType: string;
  /** In base64. */
  data: string;
}

/**
 * Reads a `data:` URL in base64; undefined for any other URL.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseDataUrl } from "./message_parts.ts";
 *
 * assertEquals(parseDataUrl("data:image/jpg;base64,AAAA"), { mimeType: "image/jpeg", data: "AAAA" });
 * assertEquals(parseDataUrl("https://example.org/a.png"), undefined);
 * ```
 */
export function parseDataUrl(url: string): InlineData | undefined {
  const [, type, data] = /^data:([^;,]+);base64,(.*)$/is.exec(url) ?? [];
  if (type === undefined || data === undefined) return undefined;
  const mimeType = type.toLowerCase();
  // A common misspelling, which no provider takes.
  return { mimeType: mimeType === "image/jpg" ? "image/jpeg" : mimeType, data: data.replace(/\s+/g, "") };
}

/**
 * Reads the image at a `data:` URL; undefined for any other URL.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for one of a type that is not among `types`
 */
export function parseImage(
  url: string,
  { who, types }: { who: string; types: readonly string[] },
): InlineData | undefined {
  const inline = parseDataUrl(url);
  if (inline === undefined || types.includes(inline.mimeType)) return inline;
  throw new ExaiError(
    "INVALID_PARAMS",
    `${who} takes images as ${types.join(", ")}, and not as ${inline.mimeType}; convert it`,
  );
}

/** The texts of the system messages, for an API that has them apart from the conversation. */
export function systemTexts(messages: readonly ChatMessage[]): string[] {
  return messages.filter(({ role }) => role === "system").map(({ content }) => textOf(content));
}

function textOf(content: ChatContent): string {
  if (typeof content === "string") return content;
  return content.map((part) => part.type === "text" ? part.text : "").join("\n");
}

/** The arguments of a call as an object; empty if the model did not write one. */
export function parseArguments(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** What `model` itself said in `message`, as it wants it back; undefined where another model said it. */
export function ownItems(
  message: ChatMessage | undefined,
  model: ModelInfo,
): readonly JsonObject[] | undefined {
  const said = message?.role === "assistant" ? message.providerItems : undefined;
  return said?.provider === model.provider && said.model === model.name ? said.items : undefined;
}

/** What one side says in a conversation, in the parts of its protocol. */
interface RoleParts {
  role: string;
  parts: readonly JsonObject[];
}

/** Joins what one side says in a row, for APIs in which the sides alternate. One who says nothing has no turn. */
export function joinTurns(turns: readonly RoleParts[]): { role: string; parts: JsonObject[] }[] {
  const joined: { role: string; parts: JsonObject[] }[] = [];
  for (const { role, parts } of turns) {
    const last = joined.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else if (parts.length > 0) joined.push({ role, parts: [...parts] });
  }
  return joined;
}
