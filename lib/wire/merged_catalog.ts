import type { JsonObject } from "../base/json.ts";
import { VERSION } from "../base/version.ts";
import { META, MODERN_REVISIONS } from "./client_claim.ts";

/** What EXAI says of itself to clients. */
export const SERVER_INFO = { name: "exai", version: VERSION };

/** The extension by which calls may be answered with tasks (SEP-2663). */
export const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";

/** What the merged catalog can do in either era, whatever servers are mounted: they may change while a client is there. */
export const MERGED_CAPABILITIES: JsonObject = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  completions: {},
  logging: {},
};

/**
 * What holds of the merged catalog without its daemon: the answer to `server/discover` without instructions and without
 * extensions of servers, as the client gets it (MCP server/discover).
 */
export function discoverWithoutServers(): JsonObject {
  return {
    resultType: "complete",
    ttlMs: 0,
    cacheScope: "private",
    supportedVersions: [...MODERN_REVISIONS],
    capabilities: { ...MERGED_CAPABILITIES, extensions: { [TASKS_EXTENSION]: {} } },
    _meta: { [META.server]: SERVER_INFO },
  };
}
