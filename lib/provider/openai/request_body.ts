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

/** Least room left for an answer when the question nearly fills the window. */
const MIN_OUTPUT_TOKENS = 1024;

/** Fewest characters a token has in text that is not made to be hard: what bounds an answer may only guess low. */
const CHARS_PER_TOKEN = 2.5;

/** The body of a chat completion request for `request` (OpenAI, create chat completion), as `dialect` has it. */
export function toBody(request: ProviderRequest, dialect: Dialect): JsonObject {
  const { model, temperature, webSearch = false, tools, toolChoice } = request;
  const search = webSearch ? dialect.webSearch?.(model) : undefined;
  const functions = (tools ?? []).map(({ name, description, parameters }) => ({
    type: "function",
    function: { name, description, parameters: parameters ?? { type: "object", properties: {} } },
  }));
  const allTools: JsonObject[] = [...functions, ...search?.tools ?? []];
  return clean({
    ...streaming(dialect),
    model: model.name,
    messages: withSchema(request).map((message) => toMessage(message, dialect)),
    temperature: model.takesTemperature ? temperature : undefined,
    [dialect.maxTokensField]: outputBound(request, dialect),
    tools: allTools.length > 0 ? allTools : undefined,
    tool_choice: functions.length > 0 ? toToolChoice(toolChoice) : undefined,
    response_format: responseFormat(request, dialect),
    ...search?.fields,
    ...dialect.thinking(model, request.thinkingMode, { webSearch }),
  });
}

/** The body for a request in the provider's own terms. */
export function toRawBody(request: ProviderRawRequest, dialect: Dialect): JsonObject {
  const { model, messages, tools = [], tool_choice, temperature, webSearch = false } = request;
  const search = webSearch ? dialect.webSearch?.(model) : undefined;
  const allTools = [...tools, ...search?.tools ?? []];
  const raw: JsonObject = { messages: [...messages] };
  return clean({
    ...streaming(dialect),
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

function streaming(dialect: Dialect): JsonObject {
  return { stream: true, stream_options: dialect.asksForUsage ? { include_usage: true } : undefined };
}

function clean(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

function outputBound(
  { model, messages, maxOutputTokens }: ProviderRequest,
  dialect: Dialect,
): number | undefined {
  if (maxOutputTokens !== undefined) return Math.min(maxOutputTokens, model.maxOutputTokens);
  return dialect.alwaysBoundsOutput
    ? roomLeft(model, messages.reduce((sum, one) => sum + lengthOf(one), 0))
    : undefined;
}

/** Providers refuse a bound that does not fit beside the question. */
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
      return clean({
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

function responseFormat({ model, jsonSchema }: ProviderRequest, dialect: Dialect): JsonObject | undefined {
  if (jsonSchema === undefined) return undefined;
  if (model.abilities.jsonSchema) return { type: "json_schema", json_schema: { ...jsonSchema } };
  return dialect.hasJsonMode ? { type: "json_object" } : undefined;
}

/** The messages, with the schema in words for a model that cannot be held to it. */
function withSchema(request: ProviderRequest): readonly ChatMessage[] {
  const { model, messages, jsonSchema } = request;
  if (jsonSchema === undefined || model.abilities.jsonSchema) return messages;
  return [{ role: "system", content: schemaInWords(jsonSchema) }, ...messages];
}

/** Asks for JSON in words. The providers' JSON modes want the word in the question too. */
export function schemaInWords({ schema }: NonNullable<ChatRequest["jsonSchema"]>): string {
  return `Answer with one JSON object and nothing else: no code fence, no words around it. It fits this JSON Schema:\n${
    JSON.stringify(schema)
  }`;
}
