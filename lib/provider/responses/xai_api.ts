import type { JsonObject } from "../../base/json.ts";
import type { ProviderEndpoint } from "../api/endpoint.ts";
import type { ProviderApi } from "../api/provider_api.ts";
import { faultKindOf } from "../api/provider_errors.ts";
import { languageModels, XAI, XAI_RESPONSES } from "../dialect/xai.ts";
import { listModels } from "../openai/chat_completions.ts";
import { createClient } from "../openai/sdk_client.ts";
import { openAiApis } from "./responses_api.ts";

/** xAI: OpenAI's two APIs, and a list that says what its models take. */
export function xaiApi(): ProviderApi {
  return { ...openAiApis(XAI, XAI_RESPONSES), listModels: listLanguageModels };
}

/** Lists `/language-models`, or `/models` where a gateway has only that. */
async function listLanguageModels(endpoint: ProviderEndpoint, signal: AbortSignal): Promise<JsonObject[]> {
  try {
    return await endpoint.list({ signal }, async (exchange) => {
      const client = await createClient(exchange);
      return languageModels(await client.get("/language-models", { signal }));
    });
  } catch (thrown) {
    if (faultKindOf(thrown) !== "refused") throw thrown;
    return await listModels(endpoint, signal);
  }
}
