import type { JsonObject } from "../../base/json.ts";
import { MIB, SECOND_MS } from "../../base/units.ts";
import type { ProviderEndpoint } from "../api/endpoint.ts";
import type { ProviderApi } from "../api/provider_api.ts";
import { faultKindOf } from "../api/provider_errors.ts";
import { languageModels, XAI, XAI_RESPONSES } from "../dialect/xai.ts";
import { listModels } from "../openai/chat_completions.ts";
import { createClient } from "../openai/sdk_client.ts";
import { openAiApis } from "./responses_api.ts";

const LIST_LIMITS = { silenceMs: 10 * SECOND_MS, maxBytes: 32 * MIB };

/** xAI: OpenAI's two APIs, and a list that says what its models take. */
export function xaiApi(): ProviderApi {
  return { ...openAiApis(XAI, XAI_RESPONSES), listModels: listLanguageModels };
}

/** Lists `/language-models`, or `/models` where a gateway has only that. */
async function listLanguageModels(endpoint: ProviderEndpoint, signal: AbortSignal): Promise<JsonObject[]> {
  try {
    return await endpoint.request({ signal, limits: LIST_LIMITS }, async (exchange) => {
      const client = await createClient(exchange);
      return languageModels(await client.get("/language-models", { signal }));
    });
  } catch (thrown) {
    if (faultKindOf(thrown) !== "refused") throw thrown;
    return await listModels(endpoint, signal);
  }
}
