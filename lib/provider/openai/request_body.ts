import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import type { Dialect } from "../dialect/dialect.ts";
import type {
  ChatContent,
  ChatMessage,
  ChatRequest,
  ModelInfo,
  ModelToolChoice,
  ProviderRawRequest,
  ProviderRequest,
} from "../provider.ts";

/** The smallest limit on an answer, even if the question nearly fills the window. */
const MIN_OUTPUT_TOKENS = 1024;

/** A low estimate of the characters per token, so that the room for an answer is not overestimated. */
const CHARS_PER_TOKEN = 2.5;

/**
 * Builds the body of a chat completion request (OpenAI, create chat completion) in the given dialect.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for an image by URL if the provider does not fetch images
 */
export function toBody(request: ProviderRequest, dialect: Dialect): JsonObject {
  const { model, temperature, webSearch = false, tools, toolChoice } = request;
  const search = webSearch ? dialect.webSearch?.(model) : undefined;
  const functions = (tools ?? []).map(({ name, description, parameters }) => ({
    type: "function",
    function: { name, description, parameters: parameters ?? { type: "object", properties: {} } },
  }));
  const allTools: JsonObject[] = [...functions, ...search?.tools ?? []];
  return definedFields({
    ...streamFields(dialect),
    model: model.name,
    messages: withSchema(request).map((message) => toMessage(message, dialect)),
    temperature: model.takesTemperature ? temperature : undefined,
    [dialect.maxTokensField]: outputLimit(request, dialect),
    tools: allTools.length > 0 ? allTools : undefined,
    tool_choice: functions.length > 0 ? toToolChoice(toolChoice) : undefined,
    response_format: responseFormat(request, dialect),
    ...search?.fields,
    ...dialect.thinking(model, request.thinkingMode, { webSearch }),
  });
}

/** Builds the body of a raw request: messages and tools are passed through. */
export function toRawBody(request: ProviderRawRequest, dialect: Dialect): JsonObject {
  const { model, messages, tools = [], tool_choice, temperature, webSearch = false } = request;
  const search = webSearch ? dialect.webSearch?.(model) : undefined;
  const allTools = [...tools, ...search?.tools ?? []];
  const raw: JsonObject = { messages: [...messages] };
  return definedFields({
    ...streamFields(dialect),
    model: model.name,
    ...raw,
    temperature: model.takesTemperature ? temperature : undefined,
    [dialect.maxTokensField]: dialect.alwaysBoundsOutput
      ? roomLeft(model, JSON.stringify(messages).length)
      : undefined,
    tools: allTools.length > 0 ? allTools : undefined,
    tool_choice: allTools.length > 0 ? tool_choice : undefined,
    ...search?.fields,
    ...dialect.thinking(model, undefined, { webSearch }),
  });
}

function streamFields(dialect: Dialect): JsonObject {
  return { stream: true, stream_options: dialect.asksForUsage ? { include_usage: true } : undefined };
}

/** `body` without the fields that are undefined. */
export function definedFields(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

/** The limit on the tokens of the answer; undefined leaves it to the provider. */
export function outputLimit(
  { model, messages, maxOutputTokens }: ProviderRequest,
  dialect: Pick<Dialect, "alwaysBoundsOutput">,
): number | undefined {
  if (maxOutputTokens !== undefined) return Math.min(maxOutputTokens, model.maxOutputTokens);
  return dialect.alwaysBoundsOutput
    ? roomLeft(model, messages.reduce((sum, one) => sum + lengthOf(one), 0))
    : undefined;
}

/** Providers reject a limit that exceeds what the question leaves of the window. */
function roomLeft(model: ModelInfo, questionChars: number): number {
  const left = model.contextTokens - Math.ceil(questionChars / CHARS_PER_TOKEN);
  return Math.max(MIN_OUTPUT_TOKENS, Math.min(model.maxOutputTokens, left));
}

function lengthOf({ content }: ChatMessage): number {
  if (typeof content === "string") return content.length;
  return content.reduce((sum, part) => sum + (part.type === "text" ? part.text.length : 0), 0);
}

function toMessage(message: ChatMessage, dialect: Dialect): JsonObject {
  switch (message.role) {
    case "tool":
      return { role: "tool", tool_call_id: message.toolCallId, content: message.content };
    case "assistant":
      return definedFields({
        role: "assistant",
        content: message.content,
        reasoning_content: dialect.takesReasoningBack ? message.reasoning : undefined,
        tool_calls: message.toolCalls?.map(({ id, name, arguments: args }) => ({
          id,
          type: "function",
          function: { name, arguments: args },
        })),
      });
    default:
      return { role: message.role, content: toContent(message.content, dialect) };
  }
}

function toContent(content: ChatContent, dialect: Dialect): string | JsonObject[] {
  if (typeof content === "string") return content;
  return content.map((part): JsonObject => {
    if (part.type === "text") return { type: "text", text: part.text };
    if (part.type === "document") {
      return { type: "file", file: { filename: part.name, file_data: part.url } };
    }
    if (!dialect.fetchesImages && !part.url.startsWith("data:")) {
      throw new ExaiError(
        "INVALID_PARAMS",
        "this provider fetches no images from the web; give the image as a file",
      );
    }
    return { type: "image_url", image_url: { url: part.url } };
  });
}

function toToolChoice(choice: ModelToolChoice | undefined): string | JsonObject | undefined {
  return typeof choice === "object" ? { type: "function", function: { name: choice.name } } : choice;
}

/** The format field for a schema, by the best support of the provider. */
function responseFormat({ model, jsonSchema }: ProviderRequest, dialect: Dialect): JsonObject | undefined {
  if (jsonSchema === undefined) return undefined;
  if (model.abilities.jsonSchema) return { type: "json_schema", json_schema: { ...jsonSchema } };
  return dialect.hasJsonMode ? { type: "json_object" } : undefined;
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
