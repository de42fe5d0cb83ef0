import { isObject, type JsonObject, textOf } from "../../base/json.ts";
import type { ProviderEndpoint } from "../api/endpoint.ts";
import type { ProviderApi } from "../api/provider_api.ts";
import { type ModelEntry, SHIPPED_MODELS } from "../catalogue/catalogue.ts";
import { listPrice } from "../catalogue/prices.ts";
import { OPENAI, OPENAI_RESPONSES } from "../dialect/openai.ts";
import { createClient } from "../openai/sdk_client.ts";
import { openAiApis } from "../responses/responses_api.ts";
import { resourceUrl } from "./azure_address.ts";

/** The version of the API that lists deployments; later ones list what could be deployed. */
const LISTING_VERSION = "2023-03-15-preview";

/** The header of a key (https://learn.microsoft.com/azure/foundry/openai/reference). */
const HEADERS = ["api-key"];

/** Azure OpenAI, whose models are the deployments of a resource. */
export function azureApi(): ProviderApi {
  return {
    ...openAiApis(OPENAI, OPENAI_RESPONSES, HEADERS),
    listModels: listDeployments,
    describe: (listed) => {
      const isReady = listed.status === undefined || listed.status === "succeeded";
      return isReady ? describeDeployment(textOf(listed.model) ?? "") : undefined;
    },
  };
}

function listDeployments(endpoint: ProviderEndpoint, signal: AbortSignal): Promise<JsonObject[]> {
  const protocol = { headers: HEADERS };
  return endpoint.list({ signal, protocol }, async (exchange) => {
    const baseUrl = `${resourceUrl(exchange.address.baseUrl)}/openai`;
    const address = { ...exchange.address, baseUrl, apiVersion: LISTING_VERSION };
    const client = await createClient({ ...exchange, address });
    const listed: unknown = await client.get("/deployments", { signal });
    if (!isObject(listed) || !Array.isArray(listed.data)) throw endpoint.notAnApi(listed);
    return listed.data.filter(isObject);
  });
}

/** What a deployment of `model` can do; undefined for a model that does not chat. */
function describeDeployment(model: string): Omit<ModelEntry, "name"> | undefined {
  // A version behind the name, as of gpt-5.2-2025-12-11, is the same model.
  const name = model.replace(/-\d{4}-\d{2}-\d{2}$/, "").replace(/^gpt-35/, "gpt-3.5");
  const known = SHIPPED_MODELS.find((entry) => entry.provider === "openai" && entry.name === name);
  const { name: _, provider: __, aliases = [], ...facts } = known ?? { name, provider: "openai" };
  const described = known === undefined ? OPENAI.describe({ id: name }) : facts;
  return described && {
    ...described,
    aliases: [model, ...aliases],
    auto: true,
    // A deployment costs what its model costs at OpenAI.
    price: listPrice("openai", model),
  };
}

/**
 * The entry of a deployment that the user names: `name=model`, or the name alone if it is that of its model.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { deploymentEntry } from "./azure_api.ts";
 *
 * const { name, aliases, api } = deploymentEntry("prod=gpt-5-codex");
 * assertEquals([name, aliases, api], ["prod", ["gpt-5-codex"], "responses"]);
 * ```
 */
export function deploymentEntry(text: string): ModelEntry {
  const [name = "", model = name] = text.split("=").map((part) => part.trim());
  const { aliases = [], ...described } = describeDeployment(model) ?? { auto: true };
  return { ...described, name, aliases: aliases.filter((alias) => alias !== name), provider: "azure" };
}
