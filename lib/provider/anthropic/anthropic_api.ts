import type { MessageCreateParamsStreaming } from "@anthropic-ai/sdk/resources/messages";
import { isObject, type Json, type JsonObject, valueAt } from "../../base/json.ts";
import type { ProviderEndpoint } from "../api/endpoint.ts";
import type { ApiProtocol, Exchange } from "../api/protocol.ts";
import type { ProviderApi } from "../api/provider_api.ts";
import type { ModelEntry } from "../catalogue/catalogue.ts";
import { positiveNumber } from "../dialect/dialect.ts";
import { type Effort, EFFORTS } from "../provider.ts";
import type { AnthropicClient } from "./anthropic_client.ts";
import { ClaudeReader } from "./claude_reader.ts";
import { questionText, toMessagesBody } from "./messages_body.ts";

const MAX_LISTED = 1000;

/** A share of `max_tokens` as large as the thoughts of the models that take a budget. */
const BUDGET_SHARE = 1 / 2;

/** The Messages API (https://platform.claude.com/docs/en/api/messages/create). */
const MESSAGES: ApiProtocol = {
  headers: ["anthropic-version"],
  requiredFields: ["max_tokens"],
  toBody: toMessagesBody,
  questionText,
  open,
  createReader: (errorInfo) => new ClaudeReader(errorInfo),
};

/** The API of Anthropic, and its list of models. */
export const ANTHROPIC_API: ProviderApi = { protocolOf: () => MESSAGES, listModels, describe };

async function open(body: JsonObject, exchange: Exchange): Promise<AsyncIterable<unknown>> {
  const client = await createClient(exchange);
  const params = body as unknown as MessageCreateParamsStreaming;
  return client.events(await client.messages.create(params, { signal: exchange.signal }).asResponse());
}

async function createClient(exchange: Exchange): Promise<AnthropicClient> {
  const { AnthropicClient } = await import("./anthropic_client.ts");
  return new AnthropicClient(exchange);
}

/** Lists the models (https://platform.claude.com/docs/en/api/models/list). */
function listModels(endpoint: ProviderEndpoint, signal: AbortSignal): Promise<JsonObject[]> {
  return endpoint.list({ signal, protocol: MESSAGES }, async (exchange) => {
    const client = await createClient(exchange);
    const page = await client.models.list({ limit: MAX_LISTED }, { signal });
    // A server may answer with anything, whatever the type says.
    const listed: unknown = page.data;
    return Array.isArray(listed) ? listed.filter(isObject) : [];
  });
}

function describe(listed: JsonObject): Omit<ModelEntry, "name"> {
  const capabilities = isObject(listed.capabilities) ? listed.capabilities : undefined;
  const maxOutputTokens = positiveNumber(listed.max_tokens);
  const common = {
    contextTokens: positiveNumber(listed.max_input_tokens),
    maxOutputTokens,
    // What every model of the API can.
    tools: true,
    images: true,
    // Version 2026-10-21 of the API has no temperature.
    temperature: false,
  };
  if (capabilities === undefined) return common;
  const thinking = isObject(capabilities.thinking) ? capabilities.thinking : {};
  const types = isObject(thinking.types) ? thinking.types : {};
  const isAdaptive = isSupported(types.adaptive);
  return {
    ...common,
    images: isSupported(capabilities.image_input),
    search: isSupported(valueAt(capabilities, ["server_tools", "web_search"])),
    jsonSchema: isSupported(capabilities.structured_outputs),
    documents: isSupported(capabilities.pdf_input),
    thinking: isSupported(thinking) ? effortsOf(capabilities.effort, types) : "none",
    thinkingBudget: !isAdaptive && isSupported(types.enabled) && maxOutputTokens !== undefined
      ? Math.floor(maxOutputTokens * BUDGET_SHARE)
      : undefined,
  };
}

/** `none` where thinking can be turned off, `minimal` where there may be none before the answer, and the efforts. */
function effortsOf(effort: Json | undefined, types: JsonObject): Effort[] {
  const lowest: Effort[] = isSupported(types.disabled)
    ? ["none"]
    : isSupported(types.between_tools)
    ? ["minimal"]
    : [];
  const efforts = EFFORTS.filter((one) => one !== "none" && isSupported(valueAt(effort, [one])));
  const usual: Effort[] = ["low", "medium", "high", "max"];
  return [...lowest, ...isSupported(types.adaptive) && efforts.length > 0 ? efforts : usual];
}

function isSupported(capability: Json | undefined): boolean {
  return isObject(capability) && capability.supported === true;
}
