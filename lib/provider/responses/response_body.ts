import type { Json, JsonObject } from "../../base/json.ts";
import { ownItems } from "../api/message_parts.ts";
import { nearestEffort } from "../catalogue/thinking.ts";
import { definedFields, withSchema } from "../api/request_fields.ts";
import type {
  ChatContent,
  ChatMessage,
  Effort,
  ModelInfo,
  ModelToolChoice,
  ProviderRequest,
} from "../provider.ts";

/** How a provider differs from OpenAI's Responses API. */
export interface ResponsesDialect {
  /** Whether it summarises the reasoning when asked to. */
  summarisesReasoning: boolean;
  /** What `include` asks for beside the answer of a web search. */
  searchIncludes: readonly string[];
  /** Whether JSON mode exists beside JSON schemas. */
  hasJsonMode: boolean;
}

/** The smallest `max_output_tokens` the API takes. */
const MIN_OUTPUT_TOKENS = 16;

/**
 * Builds the body of a request (OpenAI, create a model response). Nothing is stored at the provider unless the model is
 * to run in the background; the reasoning comes encrypted instead, so that it can be sent back where the model calls
 * tools in rounds.
 */
export function toResponseBody(request: ProviderRequest, dialect: ResponsesDialect): JsonObject {
  const { model, temperature, maxOutputTokens, tools = [], toolChoice, webSearch = false } = request;
  const functions = tools.map(({ name, description, parameters }) => ({
    type: "function",
    name,
    description,
    parameters: parameters ?? { type: "object", properties: {} },
    // The default of this API is a subset of JSON Schema that few tools keep to.
    strict: false,
  }));
  const allTools: JsonObject[] = [...functions, ...webSearch ? [{ type: "web_search" }] : []];
  const include = [
    ...model.abilities.thinking ? ["reasoning.encrypted_content"] : [],
    ...webSearch ? dialect.searchIncludes : [],
  ];
  return definedFields({
    model: model.name,
    stream: true,
    // What runs in the background has to be kept meanwhile; it is deleted in the end.
    store: model.inBackground === true,
    background: model.inBackground,
    include: include.length > 0 ? include : undefined,
    input: withSchema(request).flatMap((message) => toItems(message, model)),
    temperature: model.takesTemperature ? temperature : undefined,
    max_output_tokens: maxOutputTokens === undefined
      ? undefined
      : Math.max(MIN_OUTPUT_TOKENS, Math.min(maxOutputTokens, model.maxOutputTokens)),
    tools: allTools.length > 0 ? allTools : undefined,
    tool_choice: functions.length > 0 ? toToolChoice(toolChoice) : undefined,
    text: textFormat(request, dialect),
    reasoning: toReasoning(request, dialect),
  });
}

/** The text of `input`, from which the usage is estimated if the provider reports none. */
export function textOfInput(input: Json | undefined): string {
  if (typeof input === "string") return input;
  if (Array.isArray(input)) return input.map(textOfInput).join("\n");
  if (typeof input !== "object" || input === null) return "";
  const { content, text, output, arguments: args } = input;
  return [content, text, output, args].map(textOfInput).filter((part) => part !== "").join("\n");
}

function toItems(message: ChatMessage, model: ModelInfo): readonly JsonObject[] {
  switch (message.role) {
    case "tool":
      return [{ type: "function_call_output", call_id: message.toolCallId, output: message.content }];
    case "assistant":
      return ownItems(message, model) ?? [
        ...message.content === "" ? [] : [{ role: "assistant", content: message.content }],
        ...(message.toolCalls ?? []).map(({ id, name, arguments: args }) => ({
          type: "function_call",
          call_id: id,
          name,
          arguments: args,
        })),
      ];
    default:
      return [{ role: message.role, content: toContent(message.content) }];
  }
}

function toContent(content: ChatContent): string | JsonObject[] {
  if (typeof content === "string") return content;
  return content.map((part): JsonObject => {
    switch (part.type) {
      case "text":
        return { type: "input_text", text: part.text };
      case "image":
        return { type: "input_image", image_url: part.url, detail: "auto" };
      case "document":
        return { type: "input_file", filename: part.name, file_data: part.url };
    }
  });
}

function toToolChoice(choice: ModelToolChoice | undefined): string | JsonObject | undefined {
  return typeof choice === "object" ? { type: "function", name: choice.name } : choice;
}

function toReasoning(
  { model, thinkingMode, webSearch = false }: ProviderRequest,
  { summarisesReasoning }: ResponsesDialect,
): JsonObject | undefined {
  if (!model.abilities.thinking) return undefined;
  const efforts = effortsOf(model, webSearch);
  const effort = thinkingMode && efforts.length > 0 ? nearestEffort(efforts, thinkingMode) : undefined;
  const summary = summarisesReasoning && effort !== "none" ? "auto" : undefined;
  return effort === undefined && summary === undefined ? undefined : definedFields({ effort, summary });
}

/** The web search refuses the effort `minimal` (https://developers.openai.com/api/docs/guides/tools-web-search). */
function effortsOf({ thinking }: ModelInfo, webSearch: boolean): readonly Effort[] {
  if (typeof thinking === "string") return [];
  return webSearch ? thinking.filter((effort) => effort !== "minimal") : thinking;
}

function textFormat(
  { model, jsonSchema, webSearch = false }: ProviderRequest,
  { hasJsonMode }: ResponsesDialect,
): JsonObject | undefined {
  if (jsonSchema === undefined) return undefined;
  if (model.abilities.jsonSchema) {
    const { name, schema } = jsonSchema;
    return { format: { type: "json_schema", name, schema, strict: false } };
  }
  // JSON mode cannot be combined with the web search.
  return hasJsonMode && !webSearch ? { format: { type: "json_object" } } : undefined;
}
