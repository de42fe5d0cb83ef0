import { trimEndOf } from "../../base/text.ts";
import type { ProviderAddress } from "../api/protocol.ts";
import { EntraToken } from "./entra_token.ts";

/** How a resource of Azure OpenAI is reached, as the user says it. */
interface AzureSetup {
  /** The endpoint of the resource, or any URL copied from its pages. */
  baseUrl?: string;
  /** Empty: an Entra token is used. */
  apiKey?: string;
  /** A dated version of the API; without one the v1 API is used, which has none. */
  apiVersion?: string;
  /** The command line that prints an Entra token. */
  tokenCommand?: string;
}

/** The names under which the v1 API has been known as an `api-version`. */
const V1_VERSIONS: readonly string[] = ["", "v1", "preview", "latest"];

/**
 * The address of a resource. Its pages show URLs of single paths, so everything from `/openai` on is left out.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { azureAddress } from "./azure_address.ts";
 *
 * const copied = "https://acme.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21";
 * const { baseUrl, apiVersion } = azureAddress({ baseUrl: copied, apiKey: "a-key" });
 * assertEquals([baseUrl, apiVersion], ["https://acme.openai.azure.com/openai", "2024-10-21"]);
 * assertEquals(
 *   azureAddress({ baseUrl: "https://acme.openai.azure.com/", apiKey: "a-key" }).baseUrl,
 *   "https://acme.openai.azure.com/openai/v1",
 * );
 * ```
 */
export function azureAddress(
  { baseUrl = "", apiKey = "", apiVersion, tokenCommand }: AzureSetup,
): ProviderAddress {
  const url = URL.parse(baseUrl);
  const version = apiVersion || url?.searchParams.get("api-version") || "";
  const isV1 = V1_VERSIONS.includes(version);
  return {
    baseUrl: `${resourceUrl(baseUrl)}/openai${isV1 ? "/v1" : ""}`,
    apiKey,
    ...isV1 ? {} : { apiVersion: version },
    ...apiKey === "" ? { token: new EntraToken(tokenCommand) } : {},
  };
}

/** The URL of the resource itself. */
export function resourceUrl(baseUrl: string): string {
  const url = URL.parse(baseUrl);
  if (url === null) return trimEndOf(baseUrl, "/");
  const segments = url.pathname.split("/");
  const api = segments.findIndex((segment) => segment === "openai" || segment === "models");
  return trimEndOf(url.origin + segments.slice(0, api < 0 ? undefined : api).join("/"), "/");
}
