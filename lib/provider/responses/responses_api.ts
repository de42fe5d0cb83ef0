import type { JsonObject } from "../../base/json.ts";
import type { ApiProtocol, Exchange } from "../api/protocol.ts";
import type { ProviderApi } from "../api/provider_api.ts";
import type { Dialect } from "../dialect/dialect.ts";
import { chatCompletions, listModels } from "../openai/chat_completions.ts";
import { createClient } from "../openai/sdk_client.ts";
import { backgroundEvents } from "./background_stream.ts";
import { type ResponsesDialect, textOfInput, toResponseBody } from "./response_body.ts";
import { readStreamError } from "./response_errors.ts";
import { ResponseReader } from "./response_reader.ts";

/**
 * The APIs of OpenAI and of those who copy them: the Responses API for models whose `api` is `responses`, chat
 * completions for the others. A server may have only one of the two, so each stands in for the other.
 */
export function openAiApis(
  dialect: Dialect,
  responsesDialect: ResponsesDialect,
  headers: readonly string[] = [],
): ProviderApi {
  const chat = { ...chatCompletions(dialect), headers };
  const responses = { ...responsesProtocol(responsesDialect), headers };
  return {
    protocolOf: ({ api }) => api === "responses" ? responses : chat,
    alternativeTo: (protocol) => protocol === responses ? chat : responses,
    listModels,
    describe: dialect.describe,
  };
}

/** The Responses API (https://developers.openai.com/api/docs/api-reference/responses/create). */
function responsesProtocol(dialect: ResponsesDialect): ApiProtocol {
  return {
    toBody: (request) => toResponseBody(request, dialect),
    questionText: ({ input }) => textOfInput(input),
    open,
    createReader: (errorInfo) => new ResponseReader(errorInfo),
    readError: readStreamError,
  };
}

async function open(body: JsonObject, exchange: Exchange): Promise<AsyncIterable<unknown>> {
  const { signal } = exchange;
  const client = await createClient(exchange);
  if (body.background === true) return backgroundEvents(client, body, signal);
  // Read as a stream even where the body asks for none: `guard` makes one event of a whole response.
  const answer: unknown = await client.post("/responses", { body, stream: true, signal });
  return answer as AsyncIterable<unknown>;
}
