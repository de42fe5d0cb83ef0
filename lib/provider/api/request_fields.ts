import type { JsonObject } from "../../base/json.ts";
import type { ChatMessage, ChatRequest, ModelInfo, ProviderRequest } from "../provider.ts";

/** The smallest limit on an answer, even if the question nearly fills the window. */
const MIN_OUTPUT_TOKENS = 1024;

/** A low estimate of the characters per token, so that the room for an answer is not overestimated. */
const CHARS_PER_TOKEN = 2.5;

/** `body` without the fields that are undefined. */
export function definedFields(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

interface OutputBounds {
  /** Whether the limit is always sent, because the provider asks for one or its default is too low for a review. */
  alwaysBoundsOutput?: boolean;
}

/** The limit on the tokens of the answer; undefined leaves it to the provider. */
export function outputLimit(
  { model, messages, maxOutputTokens }: ProviderRequest,
  { alwaysBoundsOutput }: OutputBounds,
): number | undefined {
  if (maxOutputTokens !== undefined) return Math.min(maxOutputTokens, model.maxOutputTokens);
  return alwaysBoundsOutput
    ? roomLeft(model, messages.reduce((sum, one) => sum + lengthOf(one), 0))
    : undefined;
}

/** Providers reject a limit that exceeds what the question leaves of the window. */
export function roomLeft(model: ModelInfo, questionChars: number): number {
  const left = model.contextTokens - Math.ceil(questionChars / CHARS_PER_TOKEN);
  return Math.max(MIN_OUTPUT_TOKENS, Math.min(model.maxOutputTokens, left));
}

function lengthOf({ content }: ChatMessage): number {
  if (typeof content === "string") return content.length;
  return content.reduce((sum, part) => sum + (part.type === "text" ? part.text.length : 0), 0);
}

/** Adds the schema as a system message for a model without native support. */
export function withSchema(request: ProviderRequest): readonly ChatMessage[] {
  const { model, messages, jsonSchema } = request;
  if (jsonSchema === undefined || model.abilities.jsonSchema) return messages;
  return [{ role: "system", content: schemaPrompt(jsonSchema) }, ...messages];
}

/** An instruction to answer with JSON. The JSON modes of the providers require the word "JSON" in the prompt too. */
export function schemaPrompt({ schema }: NonNullable<ChatRequest["jsonSchema"]>): string {
  return `Answer with one JSON object and nothing else: no code fence, no words around it. It fits this JSON Schema:\n${
    JSON.stringify(schema)
  }`;
}
