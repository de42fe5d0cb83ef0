import { getLogger } from "@logtape/logtape";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { asReplay } from "../wire/mcp.ts";
import type { ClientState } from "./client_state.ts";
import { isClaimed, type ResponseCache } from "./response_cache.ts";
import type { ShimRequests } from "./shim_requests.ts";

const log = getLogger(["exai", "shim"]);

interface ReplayTarget {
  requests: ShimRequests;
  send(text: string): void;
}

/**
 * Initializes a new daemon on behalf of the client, which does not notice (MCP basic/lifecycle), and restores its log
 * level and subscriptions. It is told how many these are: of their changes since the last daemon nobody has told.
 *
 * @throws {ExaiError} `DAEMON_UNAVAILABLE` when the daemon refuses what the last one accepted, or the connection ends
 */
export async function replayHandshake(state: ClientState, { requests, send }: ReplayTarget): Promise<void> {
  const had = { logLevel: state.logLevel?.level, subscriptions: state.subscriptions.size };
  const params = state.initialize && asReplay(state.initialize, had);
  const response = await requests.request("initialize", params);
  if (response.failed) {
    throw new ExaiError("DAEMON_UNAVAILABLE", `the daemon refuses to initialize: {${response.body}`);
  }
  if (state.hasInitialized) send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  const repeat = (method: string, params: JsonObject) =>
    requests.request(method, params).then(({ failed, body }) => {
      if (failed) log.warning("the new daemon refuses {method}: {body}", { method, body });
    }, (reason) => log.debug("{method} failed: {reason}", { method, reason }));
  if (state.logLevel) repeat("logging/setLevel", state.logLevel);
  // At once: the daemon takes as many for repeated as it was told.
  for (const params of state.subscriptions.values()) repeat("resources/subscribe", params);
}

/** The lists that differ, as the names in `notifications/<name>/list_changed`, by the era they were asked for in. */
interface ChangedLists {
  legacy: ReadonlySet<string>;
  modern: ReadonlySet<string>;
}

/**
 * Requests again what is cached, and caches what differs. What was asked for after `initialize` is requested only of a
 * daemon where that was `replayed`.
 */
export async function refreshLists(
  cache: ResponseCache,
  requests: ShimRequests,
  { replayed }: { replayed: boolean },
): Promise<ChangedLists> {
  const changed = { legacy: new Set<string>(), modern: new Set<string>() };
  const queries = cache.queries().filter((query) => replayed || isClaimed(query));
  await Promise.all(
    queries.map(async (query) => {
      const before = cache.get(query)!;
      const response = await requests.request(query.method, query.params);
      if (cache.get(query) !== before || contentOf(response.body) === contentOf(before)) return;
      const names = isClaimed(query) ? changed.modern : changed.legacy;
      names.add(query.method.split("/")[0]!);
      if (!response.failed) cache.put(query, response.body);
    }),
  );
  return changed;
}

/** How long an answer may be kept, and which daemon gave it. */
const HINTS = { ttlMs: 0, cacheScope: 0, _meta: 0 };

/** What clients are told of when it changes. */
function contentOf(body: string): string {
  return JSON.stringify({ ...HINTS, ...JSON.parse(`{${body}`).result, ...HINTS });
}
