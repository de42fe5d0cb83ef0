import { isObject } from "../base/json.ts";
import { META, MODERN_REVISIONS } from "../wire/client_claim.ts";
import { idTextOf } from "../wire/envelope.ts";
import { discoverWithoutServers } from "../wire/merged_catalog.ts";
import { withBody } from "../wire/peek.ts";
import type { PendingRequest } from "./pending_messages.ts";

/**
 * The answer to a `server/discover` that no daemon has taken in time; undefined for any other request. Clients that probe
 * for the era wait for some three seconds and then go back to 2025 for as long as they run, while a daemon that has to be
 * started may take longer on a busy machine. Once there is one, they ask again (Claude Code), and learn the rest.
 *
 * @param server the one server the window is for: only the daemon knows what it can do
 */
export function earlyDiscover(entry: PendingRequest, server: string | undefined): string | undefined {
  if (entry.method !== "server/discover" || server) return undefined;
  const meta = JSON.parse(entry.text).params?._meta;
  // Any other is for the daemon to refuse.
  if (!isObject(meta) || meta[META.revision] !== MODERN_REVISIONS[0]) return undefined;
  if (!isObject(meta[META.capabilities])) return undefined;
  return withBody(idTextOf(entry), `"result":${JSON.stringify(discoverWithoutServers())}}`);
}
