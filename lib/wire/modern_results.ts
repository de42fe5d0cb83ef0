import { isObject, type JsonObject } from "../base/json.ts";
import type { Implementation, InitializeResult } from "./mcp.ts";
import { rawResult, readRawMessage } from "./raw_message.ts";
import { UNLIMITED } from "./json_scan.ts";
import type { Result } from "./rpc.ts";
import { META, MODERN_REVISIONS } from "./client_claim.ts";
import { extensionsWithTasks } from "./tasks_extension.ts";

/** Results that carry how long they may be kept, and by whom (MCP server/utilities/caching). */
const CACHEABLE: ReadonlySet<string> = new Set([
  "server/discover",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
]);

/** What {@linkcode toModernResult} writes into results. */
interface ModernResultOptions {
  method: string;
  serverInfo: Implementation;
}

/**
 * `result` as a client of the modern era gets it: with `resultType`, the name of the server, and for cacheable methods
 * `ttlMs` and `cacheScope` (MCP basic, responses; server/utilities/caching). What it has already stays. A result that is
 * passed on keeps its text beside what is added.
 */
export function toModernResult(result: Result, { method, serverInfo }: ModernResultOptions): Result {
  if (result.error) return result;
  const raw = rawResult(result);
  const has = (name: string) => raw ? raw.body!.has(name) : result.result[name] !== undefined;
  const isComplete = !has("resultType");
  const added: JsonObject = isComplete ? { resultType: "complete" } : {};
  if (CACHEABLE.has(method) && isComplete) {
    if (!has("ttlMs")) added.ttlMs = 0;
    if (!has("cacheScope")) added.cacheScope = "private";
  }
  const given = raw ? raw.body!.get("_meta") : result.result._meta;
  const meta = isObject(given) ? given : {};
  if (meta[META.server] === undefined) added._meta = { ...meta, [META.server]: serverInfo };
  if (!raw) return { result: { ...result.result, ...added } };
  const rest = added._meta && has("_meta") ? raw.body!.without("_meta") : raw.body!;
  const head = JSON.stringify(added).slice(0, -1);
  const text = rest.names.length === 0 ? `${head}}` : `${head},${rest.text.slice(1)}`;
  const message = readRawMessage(`{"jsonrpc":"2.0","id":0,"result":${text}}`, UNLIMITED);
  return message?.kind === "response" ? message : { result: JSON.parse(text) };
}

/** The answer to `server/discover` with what `initialize` would be answered with (MCP server/discover). */
export function discoverResult({ capabilities, instructions, serverInfo }: InitializeResult): JsonObject {
  return {
    supportedVersions: [...MODERN_REVISIONS],
    capabilities: { ...capabilities, extensions: extensionsWithTasks(capabilities) },
    ...(instructions === undefined ? {} : { instructions }),
    _meta: { [META.server]: serverInfo },
  };
}
