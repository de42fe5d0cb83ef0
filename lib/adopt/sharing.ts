import { isObject, type JsonObject, textOf } from "../base/json.ts";
import { escapeVariables } from "../base/template.ts";
import { MINUTE_MS } from "../base/units.ts";
import type { ServerConfig, Share } from "../config/server_config.ts";
import { decideShare, type Scope } from "../upstream/share_key.ts";

/** How far the server of an entry of `mcp.json` is shared, and why. */
export function sharingOf(name: string, entry: JsonObject): { scope: Scope; why: string } {
  const { scope, why } = decideShare(configOf(name, entry));
  return { scope, why };
}

/** The entry as a server's configuration, as far as sharing depends on it. */
function configOf(name: string, entry: JsonObject): ServerConfig {
  const common = {
    name,
    title: name,
    share: (textOf(entry.share) ?? "auto") as Share,
    cwdFree: entry.cwdFree === true,
    tools: { exclude: [], rename: {}, prefix: "" },
    startTimeoutMs: MINUTE_MS,
    idleStopMs: 5 * MINUTE_MS,
  };
  const url = textOf(entry.url);
  if (url !== undefined) {
    return { ...common, kind: "http", url: escapeVariables(url), headers: {}, fallBackToSse: true };
  }
  const args = Array.isArray(entry.args) ? entry.args.map(String) : [];
  const env = isObject(entry.env)
    ? Object.fromEntries(Object.entries(entry.env).map(([key, value]) => [key, String(value)]))
    : {};
  return { ...common, kind: "stdio", command: String(entry.command), args, env, cwd: textOf(entry.cwd) };
}
