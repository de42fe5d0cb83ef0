import { ExaiError } from "../../base/errors.ts";
import { type JsonObject, ownEntry } from "../../base/json.ts";
import {
  joinTurns,
  ownItems,
  parseArguments,
  parseDataUrl,
  parseImage,
  systemTexts,
} from "../api/message_parts.ts";
import { budgetOf, nearestEffort } from "../catalogue/thinking.ts";
import { definedFields, outputLimit, schemaPrompt } from "../api/request_fields.ts";
import type {
  ChatMessage,
  ContentPart,
  ImagePart,
  ModelInfo,
  ModelToolChoice,
  ProviderRequest,
  ToolCall,
} from "../provider.ts";

/** The smallest budget of a model that cannot stop thinking. */
const MIN_BUDGET_TOKENS = 128;

/** Stands for a signature that is lost (https://ai.google.dev/gemini-api/docs/thought-signatures). */
const NO_SIGNATURE = "skip_thought_signature_validator";

const IMAGE_TYPES: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  heic: "image/heic",
  heif: "image/heif",
};

/**
 * Builds a request: `model`, `contents`, and beside them what the package takes as `config`, which the API has in
 * `generationConfig`, `systemInstruction`, `tools` and `toolConfig` (https://ai.google.dev/api/generate-content).
 *
 * @throws {ExaiError} `INVALID_PARAMS` for what the model does not take
 */
export function toGenerateBody(request: ProviderRequest): JsonObject {
  const { model, temperature, maxOutputTokens, messages } = request;
  return definedFields({
    model: model.name,
    contents: toContents(messages, model),
    systemInstruction: toSystem(request),
    temperature: model.takesTemperature ? temperature : undefined,
    maxOutputTokens: maxOutputTokens === undefined ? undefined : outputLimit(request, {}),
    thinkingConfig: toThinking(request),
    ...toTools(request),
    ...toFormat(request),
  });
}

/** The texts of a body. */
export function questionText({ contents, systemInstruction: system }: JsonObject): string {
  const parts = (contents as JsonObject[]).flatMap(({ parts }) => parts as JsonObject[]);
  return [system, ...parts.map(({ text }) => text)].filter((text) => typeof text === "string").join("\n");
}

/** Models before Gemini 3 search only where they call no functions and write no JSON, and sign no calls. */
function isBeforeGemini3({ name }: ModelInfo): boolean {
  return /^gemini-[12][.-]/.test(name);
}

function toSystem(request: ProviderRequest): string | undefined {
  const { messages, jsonSchema } = request;
  const texts = systemTexts(messages);
  if (jsonSchema !== undefined && !keepsToSchema(request)) texts.push(schemaPrompt(jsonSchema));
  return texts.length === 0 ? undefined : texts.join("\n\n");
}

function keepsToSchema({ model, webSearch = false }: ProviderRequest): boolean {
  return model.abilities.jsonSchema && !(webSearch && isBeforeGemini3(model));
}

function toFormat(request: ProviderRequest): JsonObject {
  const { jsonSchema } = request;
  if (jsonSchema === undefined || !keepsToSchema(request)) return {};
  return { responseMimeType: "application/json", responseJsonSchema: jsonSchema.schema };
}

/**
 * Gemini 2.5 takes a budget, the newer models a level (https://ai.google.dev/gemini-api/docs/thinking). The thoughts are
 * asked for in any case: without them nothing is sent while the model thinks.
 */
function toThinking({ model, thinkingMode: mode }: ProviderRequest): JsonObject | undefined {
  const { thinking: control, thinkingBudget } = model;
  if (!model.abilities.thinking) return undefined;
  const shown = { includeThoughts: true };
  if (mode === undefined || typeof control === "string") {
    return control === "switch" && mode === "minimal" ? { thinkingBudget: 0 } : shown;
  }
  const effort = nearestEffort(control, mode);
  if (effort === "none") return { thinkingBudget: 0 };
  if (thinkingBudget === undefined) return { ...shown, thinkingLevel: effort.toUpperCase() };
  return { ...shown, thinkingBudget: Math.max(budgetOf(effort, thinkingBudget), MIN_BUDGET_TOKENS) };
}

function toTools({ model, tools = [], toolChoice, webSearch = false }: ProviderRequest): JsonObject {
  const functions = tools.map(({ name, description, parameters }) =>
    definedFields({ name, description, parametersJsonSchema: parameters })
  );
  if (functions.length === 0) return webSearch ? { tools: [{ googleSearch: {} }] } : {};
  if (webSearch && isBeforeGemini3(model)) {
    throw new ExaiError(
      "INVALID_PARAMS",
      `${model.name} searches the web only where it calls no functions: leave out use_websearch or the tools`,
    );
  }
  const functionCallingConfig = toCalling(toolChoice);
  const own: JsonObject[] = webSearch ? [{ googleSearch: {} }] : [];
  return {
    tools: [...own, { functionDeclarations: functions }],
    toolConfig: webSearch
      ? definedFields({ functionCallingConfig, includeServerSideToolInvocations: true })
      : functionCallingConfig && { functionCallingConfig },
  };
}

function toCalling(choice: ModelToolChoice | undefined): JsonObject | undefined {
  if (typeof choice === "object") return { mode: "ANY", allowedFunctionNames: [choice.name] };
  return choice === undefined ? undefined : { mode: choice === "required" ? "ANY" : choice.toUpperCase() };
}

/** The results of all functions called at once are one turn. */
function toContents(messages: readonly ChatMessage[], model: ModelInfo): JsonObject[] {
  const calls = new Map<string, ToolCall>();
  return joinTurns(messages.flatMap((message) => {
    if (message.role === "system") return [];
    if (message.role === "tool") {
      return { role: "user", parts: [toResult(message, calls.get(message.toolCallId))] };
    }
    const parts = toParts(message, model);
    if (message.role !== "assistant") return { role: "user", parts };
    for (const call of message.toolCalls ?? []) calls.set(call.id, call);
    return { role: "model", parts };
  }));
}

function toParts(message: Exclude<ChatMessage, { role: "tool" }>, model: ModelInfo): JsonObject[] {
  const { content } = message;
  if (message.role === "assistant") {
    const { toolCalls = [] } = message;
    const own = ownItems(message, model);
    if (own !== undefined) return [...own];
    return [...toTextParts(message.content), ...toolCalls.map((call, i) => toCall(call, i, model))];
  }
  if (typeof content === "string") return toTextParts(content);
  return content.flatMap(toContentParts);
}

function toContentParts(part: ContentPart): JsonObject[] {
  switch (part.type) {
    case "text":
      return toTextParts(part.text);
    case "image":
      return [toImage(part)];
    case "document":
      return [{ text: part.name }, { inlineData: { ...parseDataUrl(part.url) } }];
  }
}

function toTextParts(text: string): JsonObject[] {
  return text === "" ? [] : [{ text }];
}

/** Of calls at once the first is signed. */
function toCall({ id, name, arguments: args }: ToolCall, index: number, model: ModelInfo): JsonObject {
  const functionCall = { id, name, args: parseArguments(args) };
  return index > 0 || isBeforeGemini3(model)
    ? { functionCall }
    : { functionCall, thoughtSignature: NO_SIGNATURE };
}

function toResult(
  { toolCallId, content }: Extract<ChatMessage, { role: "tool" }>,
  call: ToolCall | undefined,
): JsonObject {
  return {
    functionResponse: { id: toolCallId, name: call?.name ?? toolCallId, response: { output: content } },
  };
}

function toImage({ url }: ImagePart): JsonObject {
  const inlineData = parseImage(url, { who: "Gemini", types: [...new Set(Object.values(IMAGE_TYPES))] });
  if (inlineData !== undefined) return { inlineData: { ...inlineData } };
  const extension = /\.([a-z]+)$/i.exec(URL.parse(url)?.pathname ?? "")?.[1]?.toLowerCase() ?? "";
  return { fileData: { mimeType: ownEntry(IMAGE_TYPES, extension) ?? "image/jpeg", fileUri: url } };
}
