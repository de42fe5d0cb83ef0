import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { definedFields, outputLimit, roomLeft, withSchema } from "../api/request_fields.ts";
import type { Dialect } from "../dialect/dialect.ts";
import type {
  ChatContent,
  ChatMessage,
  ModelToolChoice,
  ProviderRawRequest,
  ProviderRequest,
} from "../provider.ts";

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
