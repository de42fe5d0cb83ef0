import type { JsonObject } from "../../base/json.ts";
import {
  joinTurns,
  ownItems,
  parseArguments,
  parseDataUrl,
  parseImage,
  systemTexts,
} from "../api/message_parts.ts";
import { definedFields, outputLimit, withSchema } from "../api/request_fields.ts";
import type {
  ChatMessage,
  ChatRequest,
  ContentPart,
  ImagePart,
  ModelInfo,
  ModelToolChoice,
  ProviderRequest,
  ToolCall,
} from "../provider.ts";
import { closedSchema } from "./closed_schema.ts";
import { toThinking } from "./thinking_fields.ts";

/** Web searches per answer; a model that requests more is looping. */
const MAX_SEARCHES = 10;

/** The server tool; the newer versions filter their results with code that runs at Anthropic. */
const WEB_SEARCH = { type: "web_search_20250305", name: "web_search", max_uses: MAX_SEARCHES };

const IMAGE_TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/**
 * Builds the body of a request (https://platform.claude.com/docs/en/api/messages/create). A temperature is never sent:
 * version 2026-10-21 of the API has none.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for an image of a type that Claude does not take
 */
export function toMessagesBody(request: ProviderRequest): JsonObject {
  const { model, webSearch = false, tools = [], toolChoice } = request;
  const messages = withSchema(request);
  const system = systemTexts(messages);
  const maxTokens = outputLimit(request, { alwaysBoundsOutput: true })!;
  const { thinking, effort } = toThinking(request, maxTokens);
  const output = definedFields({ effort, format: toFormat(request) });
  const allTools: JsonObject[] = [...tools.map(toTool), ...(webSearch ? [WEB_SEARCH] : [])];
  return definedFields({
    model: model.name,
    max_tokens: maxTokens,
    stream: true,
    system: system.length > 0 ? system.join("\n\n") : undefined,
    messages: toTurns(messages, model),
    thinking,
    output_config: Object.keys(output).length > 0 ? output : undefined,
    tools: allTools.length > 0 ? allTools : undefined,
    tool_choice: tools.length > 0 ? toToolChoice(toolChoice) : undefined,
    // Writing the cache costs a quarter more than the question does without, and reading it a tenth. So it is written
    // once a conversation is known to go on.
    cache_control: messages.some(({ role }) => role === "assistant") ? { type: "ephemeral" } : undefined,
  });
}

/** The texts of a body. */
export function questionText({ system, messages }: JsonObject): string {
  const turns = (messages as JsonObject[]).flatMap(({ content }) => content as JsonObject[]);
  const texts = turns.map(({ text, content }) => text ?? content).filter((text) => typeof text === "string");
  return [system, ...texts].filter((text) => text !== undefined).join("\n");
}

/** The results of all tools called at once are one turn. Empty blocks are rejected. */
function toTurns(messages: readonly ChatMessage[], model: ModelInfo): JsonObject[] {
  const turns = messages.filter(({ role }) => role !== "system").map((message) => ({
    role: message.role === "assistant" ? "assistant" : "user",
    parts: toBlocks(message, model),
  }));
  return joinTurns(turns).map(({ role, parts }) => ({ role, content: parts }));
}

function toBlocks(message: ChatMessage, model: ModelInfo): JsonObject[] {
  switch (message.role) {
    case "tool":
      return [{ type: "tool_result", tool_use_id: message.toolCallId, content: message.content }];
    case "assistant": {
      const { content, toolCalls = [] } = message;
      const own = ownItems(message, model);
      if (own !== undefined) return [...own];
      // A turn that ends in white space is rejected.
      return [...toTextBlocks(content.trimEnd()), ...toolCalls.map(toToolUse)];
    }
    default: {
      const { content } = message;
      if (typeof content === "string") return toTextBlocks(content);
      return content.flatMap(toPartBlocks);
    }
  }
}

function toPartBlocks(part: ContentPart): JsonObject[] {
  switch (part.type) {
    case "text":
      return toTextBlocks(part.text);
    case "image":
      return [toImage(part)];
    case "document": {
      const { mimeType = "application/pdf", data = "" } = parseDataUrl(part.url) ?? {};
      return [{ type: "document", title: part.name, source: { type: "base64", media_type: mimeType, data } }];
    }
  }
}

function toTextBlocks(text: string): JsonObject[] {
  return text.trim() === "" ? [] : [{ type: "text", text }];
}

function toToolUse({ id, name, arguments: args }: ToolCall): JsonObject {
  return { type: "tool_use", id, name, input: parseArguments(args) };
}

function toImage({ url }: ImagePart): JsonObject {
  const inline = parseImage(url, { who: "Claude", types: IMAGE_TYPES });
  if (inline === undefined) return { type: "image", source: { type: "url", url } };
  return { type: "image", source: { type: "base64", media_type: inline.mimeType, data: inline.data } };
}

function toTool({ name, description, parameters }: NonNullable<ChatRequest["tools"]>[number]): JsonObject {
  return definedFields({
    name,
    description,
    input_schema: parameters ?? { type: "object", properties: {} },
  });
}

function toToolChoice(choice: ModelToolChoice | undefined): JsonObject | undefined {
  if (typeof choice === "object") return { type: "tool", name: choice.name };
  return choice === undefined ? undefined : { type: choice === "required" ? "any" : choice };
}

function toFormat({ model, jsonSchema }: ProviderRequest): JsonObject | undefined {
  if (jsonSchema === undefined || !model.abilities.jsonSchema) return undefined;
  return { type: "json_schema", schema: closedSchema(jsonSchema.schema) };
}
