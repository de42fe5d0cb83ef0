import type OpenAI from "openai";
import type { GuardedFetch } from "../api/guarded_fetch.ts";
import type { ProviderAddress } from "../api/protocol.ts";

/** The longest possible timer: `GuardedFetch` has the time-outs. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Creates a client of the `openai` package that fetches through `guard`. The package takes about 25 MB and is loaded on
 * first use.
 */
export async function createClient(
  { baseUrl, apiKey }: ProviderAddress,
  guard: GuardedFetch,
): Promise<OpenAI> {
  const { default: Client } = await import("openai");
  return new Client({
    baseURL: baseUrl,
    apiKey: apiKey || "none",
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
  });
}
