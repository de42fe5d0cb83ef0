import { isObject } from "../../base/json.ts";
import { variablesIn } from "../../base/template.ts";
import type { CommonServerConfig, UrlServerConfig } from "../server_config.ts";
import { keepNamedSecret } from "../secret_values.ts";
import type { EntryContext } from "./expand_entry.ts";
import { expandAt } from "./expand_entry.ts";
import { expandEnvironment } from "./expand_environment.ts";
import { URL_KEYS, URL_TYPES, type UrlEntry } from "./keys.ts";
import { checkUrl } from "./self_mount.ts";
import { signInOf } from "./sign_in_entry.ts";

/** The configuration of a server behind a URL, made of its entry. */
export async function urlServerOf(
  entry: UrlEntry,
  common: CommonServerConfig,
  context: EntryContext,
): Promise<UrlServerConfig> {
  const own = isObject(entry.env) ? await expandEnvironment(entry.env, {}, context) : {};
  const url = await expandAt(["url"], entry.url, { context, own });
  const isLate = variablesIn(url).length > 0 || context.expander.isUnknown(url);
  if (!isLate && !["http:", "https:"].includes(URL.parse(url)?.protocol ?? "")) {
    context.fault(["url"], `is no such URL; allowed: ${URL_KEYS.url.allowed}`);
  }
  if (!isLate) checkUrl(url, context);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(entry.headers ?? {})) {
    headers[name] = await expandAt(["headers", name], String(value), { context, own });
    keepNamedSecret(name, headers[name]);
    if (!isHeader(name, headers[name])) {
      context.fault(["headers", name], "is no HTTP header; allowed: a header name and one line of text");
    }
  }
  return {
    ...common,
    kind: URL_TYPES[entry.type ?? "http"] ?? "http",
    url,
    headers,
    ...await signInOf(entry, { context, own }),
    fallBackToSse: entry.type === undefined,
  };
}

function isHeader(name: string, value: string): boolean {
  try {
    new Headers().set(name, value);
    return true;
  } catch {
    return false;
  }
}
