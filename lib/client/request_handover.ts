import type { JsonObject } from "../base/json.ts";
import type { Release } from "../base/release.ts";
import type { Settings } from "../config/settings.ts";
import { askDaemon } from "./daemon_client.ts";

/**
 * Asks the running daemon to end at a moment when that loses nothing. It waits some seconds for one; a caller that is told
 * to wait asks again.
 *
 * @param successor the release in whose favour it is to end, or the service that it is to be from now on
 * @returns the answer of its route `/handover`: `state` and, while that is `waiting`, `waits_for` in words
 * @throws {ExaiError} as {@linkcode askDaemon}; `RESOURCE_NOT_FOUND` from a daemon that knows no handover
 */
export async function requestHandover(
  settings: Settings,
  successor: Release | "service",
): Promise<JsonObject> {
  return await askDaemon(settings, `/handover?${new URLSearchParams(queryOf(successor))}`, "POST");
}

function queryOf(successor: Release | "service"): Record<string, string> {
  if (successor === "service") return { to: "service" };
  const { version, committedAt } = successor;
  return { version, ...(committedAt ? { committed_at: committedAt } : {}) };
}
