import { addressBytes, isLoopback, isUnspecified } from "../base/ip_address.ts";
import { namesProxies, withoutProxies } from "../config/process_variables.ts";
import { isSingleUse, singleUseClient } from "../provider/single_use_client.ts";
import { isPostClient } from "../remote/post_client.ts";

type GlobalFetch = typeof globalThis.fetch;
type ClientInit = RequestInit & { client?: Deno.HttpClient };

/**
 * Makes every `fetch` of this program, those of libraries included, bypass proxies for loopback addresses: a proxy cannot
 * reach servers and models of this machine. Other requests obey the proxy variables. Does nothing if no proxy is set.
 */
export function keepLoopbackDirect(): void {
  if (isKept || !namesProxies()) return;
  isKept = true;
  globalThis.fetch = pastProxies(globalThis.fetch);
}

let isKept = false;

function pastProxies(fetch: GlobalFetch): GlobalFetch {
  let direct: Deno.HttpClient | undefined;
  return (input, init?: ClientInit) => {
    const isOwn = init?.client !== undefined && !isSingleUse(init.client) && !isPostClient(init.client);
    if (isOwn || !isOnLoopback(input)) return fetch(input, init);
    direct ??= withoutProxies(singleUseClient);
    return fetch(input, { ...init, client: direct } as ClientInit);
  };
}

function isOnLoopback(input: string | URL | Request): boolean {
  const url = URL.parse(input instanceof Request ? input.url : input);
  if (!url) return false;
  const host = url.hostname.replace(/\.$/, "");
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  const address = addressBytes(host);
  return address !== undefined && (isLoopback(address) || isUnspecified(address));
}
