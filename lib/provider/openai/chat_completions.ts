import { isObject, type JsonObject } from "../../base/json.ts";
import type { ProviderEndpoint } from "../api/endpoint.ts";
import type { ApiProtocol, Exchange } from "../api/protocol.ts";
import type { ProviderApi } from "../api/provider_api.ts";
import type { Dialect } from "../dialect/dialect.ts";
import { CompletionReader } from "./completion_reader.ts";
import { toBody, toRawBody } from "./request_body.ts";
import { createClient } from "./sdk_client.ts";

/** The OpenAI chat completions API in one dialect, and the list of models beside it. */
export function chatCompletionsApi(dialect: Dialect): ProviderApi {
  const protocol = chatCompletions(dialect);
  return { protocolOf: () => protocol, listModels, describe: dialect.describe };
}

/** The OpenAI chat completions API (https://developers.openai.com/api/docs/api-reference/chat/create). */
export function chatCompletions(dialect: Dialect): ApiProtocol {
  return {
    toBody: (request) => toBody(request, dialect),
    toRawBody: (request) => toRawBody(request, dialect),
    questionText: ({ messages }) =>
      (messages as JsonObject[]).map(({ content }) => textOf(content)).join("\n"),
    open,
    createReader: (errorInfo) => new CompletionReader(errorInfo, dialect),
  };
}

async function open(body: JsonObject, exchange: Exchange): Promise<AsyncIterable<unknown>> {
  const { signal } = exchange;
  const client = await createClient(exchange);
  // Read as a stream even if the body asks for none: the guard turns a whole answer into one event.
  return await client.post<AsyncIterable<unknown>>("/chat/completions", { body, signal, stream: true });
}

/**
 * Lists the entries of `/models`, which all servers of the OpenAI API share. Some send the list alone, or call it
 * `models`.
 */
export function listModels(endpoint: ProviderEndpoint, signal: AbortSignal): Promise<JsonObject[]> {
  return endpoint.list({ signal }, async (exchange) => {
    const client = await createClient(exchange);
    const page: unknown = await client.get("/models", { signal });
    const listed = isObject(page) ? page.data ?? page.models : page;
    if (!Array.isArray(listed)) throw endpoint.notAnApi(page);
    return listed.filter(isObject).map((one) => ({ ...one, id: one.id ?? one.name ?? one.model }));
  });
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  const parts = Array.isArray(content) ? content : [];
  return parts.map((part) => isObject(part) && typeof part.text === "string" ? part.text : "").join("\n");
}
