import type OpenAI from "openai";
import type { GuardedFetch } from "./guarded_fetch.ts";

/** Where a provider is and what opens it. */
export interface ClientAddress {
  /** Up to where `/chat/completions` begins. */
  baseUrl: string;
  /** Empty for servers that want none. */
  apiKey: string;
}

/** Longest time a timer can hold; the guarded fetch has time-outs of its own. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * A client of the `openai` package that asks through `guard`. The package costs some 25 MB, so it is loaded with the
 * first question and not with the daemon.
 */
export async function createClient({ baseUrl, apiKey }: ClientAddress, guard: GuardedFetch): Promise<OpenAI> {
  const { default: Client } = await import("openai");
  return new Client({
    baseURL: baseUrl,
    apiKey: apiKey || "none",
    fetch: guard.fetch,
    // Its own retries send again what may have been billed.
    maxRetries: 0,
    timeout: NO_TIMEOUT_MS,
    // It prints to the console, and reads the environment for what is left out.
    logLevel: "off",
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
  });
}
