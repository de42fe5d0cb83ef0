import type { GenerateContentConfig, GenerateContentParameters, Model } from "@google/genai/web";
import { type JsonObject, textOf } from "../../base/json.ts";
import type { ProviderEndpoint } from "../api/endpoint.ts";
import type { ApiProtocol, Exchange } from "../api/protocol.ts";
import type { ApiError } from "../api/provider_errors.ts";
import type { ProviderApi } from "../api/provider_api.ts";
import type { ModelEntry } from "../catalogue/catalogue.ts";
import { positiveNumber } from "../dialect/dialect.ts";
import { createGeminiClient } from "./gemini_client.ts";
import { questionText, toGenerateBody } from "./generate_body.ts";
import { GeminiReader } from "./gemini_reader.ts";

const MAX_LISTED = 1000;

/** Ids of models that Gemini lists and that do not answer in text, or only where they get tools of their own. */
const NO_CHAT =
  /embedding|imagen|veo|lyria|-tts\b|-image|banana|-live|audio|-omni|computer-use|robotics|deep-research|\baqa\b/;

/** The largest budget of Gemini 2.5 (https://ai.google.dev/gemini-api/docs/thinking). */
const MAX_BUDGET_TOKENS = 24_576;

type GeminiBody = Omit<GenerateContentParameters, "config"> & GenerateContentConfig;

/** `generateContent` of the Gemini API (https://ai.google.dev/api/generate-content). */
const GENERATE: ApiProtocol = {
  headers: ["x-goog-api-key"],
  toBody: toGenerateBody,
  questionText,
  open,
  createReader: (errorInfo) => new GeminiReader(errorInfo),
  readError,
};

/** The Gemini API, and its list of models. */
export const GEMINI_API: ProviderApi = { protocolOf: () => GENERATE, listModels, describe };

async function open(body: JsonObject, exchange: Exchange): Promise<AsyncIterable<unknown>> {
  const client = await createGeminiClient(exchange);
  const { model, contents, ...config } = body as unknown as GeminiBody;
  const own: GenerateContentConfig = {
    abortSignal: exchange.signal,
    // The package would call functions itself, and ask again where an answer is longer than one request allows: both
    // are billed, and neither is retried with care.
    automaticFunctionCalling: { disable: true },
    automaticContinuation: false,
  };
  return await client.models.generateContentStream({ model, contents, config: { ...config, ...own } });
}

/** The package throws what the API answers, or tells within a stream, as an error with a text of it as its message. */
function readError(thrown: unknown): ApiError | undefined {
  if (!(thrown instanceof Error) || thrown.name !== "ApiError" || !("status" in thrown)) return undefined;
  const { status, message } = thrown;
  return typeof status === "number" ? { status, error: message, message } : undefined;
}

/** Lists the models (https://ai.google.dev/api/models#method:-models.list). */
function listModels(endpoint: ProviderEndpoint, signal: AbortSignal): Promise<JsonObject[]> {
  return endpoint.list({ signal, protocol: GENERATE }, async (exchange) => {
    const client = await createGeminiClient(exchange);
    const page = await client.models.list({ config: { pageSize: MAX_LISTED, abortSignal: signal } });
    return page.page.map((model) => ({ ...toJson(model), id: (model.name ?? "").replace(/^models\//, "") }));
  });
}

function toJson({ inputTokenLimit, outputTokenLimit, supportedActions, thinking }: Model): JsonObject {
  return { inputTokenLimit, outputTokenLimit, supportedActions, thinking };
}

function describe(listed: JsonObject): Omit<ModelEntry, "name"> | undefined {
  const id = textOf(listed.id) ?? "";
  const { supportedActions: actions } = listed;
  const generates = !Array.isArray(actions) || actions.includes("generateContent");
  if (!generates || NO_CHAT.test(id)) return undefined;
  const takesBudget = id.startsWith("gemini-2");
  const isGemini = id.startsWith("gemini-");
  return {
    contextTokens: positiveNumber(listed.inputTokenLimit),
    maxOutputTokens: positiveNumber(listed.outputTokenLimit),
    images: true,
    tools: isGemini,
    search: isGemini,
    jsonSchema: isGemini,
    documents: isGemini,
    // Gemini 3 loops with a temperature below its default; Gemini 4 ignores it.
    temperature: takesBudget || !isGemini,
    thinking: listed.thinking !== true
      ? "none"
      : takesBudget
      ? ["low", "medium", "high", "max"]
      : ["low", "high"],
    thinkingBudget: takesBudget && listed.thinking === true ? MAX_BUDGET_TOKENS : undefined,
  };
}
