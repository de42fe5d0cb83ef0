import { ExaiError } from "../base/errors.ts";
import { parseDataUrl, systemTexts } from "./api/message_parts.ts";
import { schemaPrompt } from "./api/request_fields.ts";
import { toModelStatus } from "./catalogue/catalogue.ts";
import { unmetNeeds } from "./model_fitness.ts";
import type { Sample, SampleMessage, SampleRequest } from "./client_sample.ts";
import type {
  ChatContent,
  ChatOptions,
  ChatResult,
  ContentPart,
  DocumentPart,
  ImagePart,
  ModelClass,
  ModelInfo,
  ProviderRequest,
} from "./provider.ts";
import type { ProviderStatus } from "./provider_status.ts";

export const CLIENT_PROVIDER = "client";

/** Assumptions about the client's model: MCP reports neither its context window nor its abilities. */
const CLIENT_MODEL: ModelInfo = {
  name: CLIENT_PROVIDER,
  provider: CLIENT_PROVIDER,
  aliases: [],
  class: "balanced",
  contextTokens: 100_000,
  maxOutputTokens: 8192,
  abilities: { files: false, search: false, thinking: false, images: true, tools: false, jsonSchema: false },
  thinking: "none",
  takesTemperature: true,
  auto: true,
};

/** The status of the client's model as a provider, visible to callers of that client only. */
export function clientProviderStatus(): ProviderStatus {
  const model = toModelStatus(CLIENT_MODEL);
  const { name, abilities } = model;
  return { name, kind: CLIENT_PROVIDER, available: true, abilities, models: [model] };
}

/** The client's model; `client/NAME` passes `NAME` to the client as a hint. */
export function clientModel(hint = ""): ModelInfo {
  return hint === "" ? CLIENT_MODEL : { ...CLIENT_MODEL, name: `${CLIENT_PROVIDER}/${hint}` };
}

/**
 * Sends a request to the client's model (MCP 2025-11-25, client/sampling). The protocol supports neither thinking nor
 * web search, and the client selects the model.
 *
 * @throws {ExaiError} `INVALID_PARAMS` naming what the protocol does not support; `UPSTREAM_UNAVAILABLE` when the
 * answer is empty; what `sample` throws
 */
export async function askClientModel(
  request: ProviderRequest,
  { sample, preferredClass, ...options }: ChatOptions & { sample: Sample; preferredClass: ModelClass },
): Promise<ChatResult> {
  const { model, messages, thinkingMode, webSearch, tools } = request;
  const unmet = unmetNeeds(model, { thinking: thinkingMode, webSearch, tools: (tools?.length ?? 0) > 0 });
  if (unmet !== undefined) {
    throw new ExaiError("INVALID_PARAMS", `the client's own model, asked through MCP, ${unmet}`);
  }
  options.onProgress?.({
    phase: "sent",
    chars: 0,
    message: "asked the client's own model; it may ask its user first",
  });
  const result = await sample({
    systemPrompt: systemPrompt(request),
    messages: messages.flatMap(toSamples),
    temperature: request.temperature,
    maxOutputTokens: Math.min(request.maxOutputTokens ?? model.maxOutputTokens, model.maxOutputTokens),
    modelClass: preferredClass,
    modelHint: model.name.slice(CLIENT_PROVIDER.length + 1) || undefined,
  }, options);
  if (result.text.trim() !== "") return result;
  throw new ExaiError(
    "UPSTREAM_UNAVAILABLE",
    "the client's own model said nothing; try again, or name another model",
    {
      details: { provider: CLIENT_PROVIDER, fault: "empty" },
    },
  );
}

function systemPrompt({ messages, jsonSchema }: ProviderRequest): SampleRequest["systemPrompt"] {
  const texts = systemTexts(messages);
  if (jsonSchema !== undefined) texts.push(schemaPrompt(jsonSchema));
  return texts.length === 0 ? undefined : texts.join("\n\n");
}

function toSamples(message: ProviderRequest["messages"][number]): SampleMessage[] {
  if (message.role === "system") return [];
  if (message.role === "tool") {
    throw new ExaiError(
      "INVALID_PARAMS",
      "the client's own model, asked through MCP, calls no tools: name another model",
    );
  }
  const { role, content } = message;
  return partsOf(content).map((part) => ({ role, content: part.type === "text" ? part : toMedia(part) }));
}

function partsOf(content: ChatContent): readonly ContentPart[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

function toMedia({ type, url }: ImagePart | DocumentPart): SampleMessage["content"] {
  if (type === "document") throw new ExaiError("INVALID_PARAMS", "MCP carries no PDF; name another model");
  const inline = parseDataUrl(url);
  if (inline === undefined) {
    throw new ExaiError("INVALID_PARAMS", "MCP carries images as base64 only; give the image as a file");
  }
  return { type: "image", ...inline };
}
