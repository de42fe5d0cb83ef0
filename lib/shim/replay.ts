import { getLogger } from "@logtape/logtape";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { ResponseCache } from "./response_cache.ts";
import type { ClientState } from "./client_state.ts";
import type { ShimRequests } from "./shim_requests.ts";

const log = getLogger(["exai", "shim"]);

/** The daemon, as a replay speaks with it. */
interface ReplayTarget {
  own: ShimRequests;
  send(text: string): void;
}

/**
 * Introduces the client to a daemon that has not met it, without the client's knowledge (MCP lifecycle).
 *
 * @throws {ExaiError} the daemon refuses what the last one accepted, or is gone again
 */
export async function replayHandshake(state: ClientState, { own, send }: ReplayTarget): Promise<void> {
  const answer = await own.request("initialize", state.initialize);
  if (answer.failed) {
    throw new ExaiError("DAEMON_UNAVAILABLE", `the daemon refuses to initialize: {${answer.body}`);
  }
  if (state.initialized) send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  const again = (method: string, params: JsonObject) =>
    own.request(method, params).then(({ failed, body }) => {
      if (failed) log.warning("the new daemon refuses {method}: {body}", { method, body });
    }, (reason) => log.debug("{method} was cut off: {reason}", { method, reason }));
  if (state.logLevel) again("logging/setLevel", state.logLevel);
  for (const params of state.subscriptions.values()) again("resources/subscribe", params);
}

/**
 * Asks for the lists the client knows and keeps what is new.
 *
 * @returns what has changed, as the names in `notifications/<name>/list_changed`
 */
export async function refreshLists(cache: ResponseCache, own: ShimRequests): Promise<Set<string>> {
  const changed = new Set<string>();
  await Promise.all(
    cache.queries().map(async (query) => {
      const before = cache.get(query);
      const answer = await own.request(query.method, query.params);
      if (answer.body === before || cache.get(query) !== before) return;
      changed.add(query.method.split("/")[0]!);
      if (!answer.failed) cache.put(query, answer.body);
    }),
  );
  return changed;
}
