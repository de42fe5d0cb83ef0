import type OpenAI from "openai";
import { untilAborted } from "../../base/abort.ts";
import type { Exchange } from "../api/protocol.ts";

/** The longest possible timer: `GuardedFetch` has the time-outs. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Creates a client of the `openai` package that fetches through `guard`. The package takes about 25 MB and is loaded on
 * first use.
 */
export async function createClient({ address, guard, signal }: Exchange): Promise<OpenAI> {
  const { baseUrl: baseURL, apiKey, token, apiVersion } = address;
  const { default: Client, AzureOpenAI } = await import("openai");
  const options = {
    baseURL,
    fetch: guard.fetch,
    // Its retries do not spare requests that may have been billed.
    maxRetries: 0,
    timeout: NO_TIMEOUT_MS,
    // It logs to the console, and reads omitted options from the environment.
    logLevel: "off",
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
  } as const;
  const accessToken = token && await untilAborted(token.get(), signal);
  if (apiVersion === undefined) return new Client({ ...options, apiKey: accessToken ?? (apiKey || "none") });
  const credential = accessToken === undefined
    ? { apiKey: apiKey || "none" }
    : { apiKey: "", azureADTokenProvider: () => Promise.resolve(accessToken) };
  return new AzureOpenAI({ ...options, apiVersion, ...credential });
}
