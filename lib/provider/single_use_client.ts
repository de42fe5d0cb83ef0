/** The clients made here. */
const clients = new WeakSet<Deno.HttpClient>();

/**
 * Creates a client whose connections are used for one request each. `fetch` sends a request a second time, without a
 * word, when a connection that it had kept breaks before the answer: a question would be answered, and billed, twice.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isSingleUse, singleUseClient } from "./single_use_client.ts";
 *
 * using client = singleUseClient();
 * assert(isSingleUse(client));
 * ```
 */
export function singleUseClient(): Deno.HttpClient {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  clients.add(client);
  return client;
}

/** Whether `client` is one of those, and may be replaced by another of them. */
export function isSingleUse(client: Deno.HttpClient): boolean {
  return clients.has(client);
}
