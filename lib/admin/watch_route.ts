import { join } from "@std/path";
import { ExaiError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import { serverLogName } from "../config/paths.ts";
import type { Route } from "../edge/http_handler.ts";
import { NDJSON } from "./call_routes.ts";
import { allowMethod } from "./route_guards.ts";
import { MAX_WATCHERS, type WatchFeed } from "./watch_feed.ts";

/** Whose log is the daemon's own. */
const DAEMON_LOG = "daemon";

/** What the route needs of the daemon. */
interface WatchRouteSources {
  feed: WatchFeed;
  /** The directory of the log files. */
  logs: string;
  /** Names of the servers, mounted or not. */
  serverNames(): readonly string[];
}

/** `GET /watch?log=NAME`: what runs, as it changes, one JSON value a line; see {@linkcode WatchEvent}. */
export function watchRoute({ feed, logs, serverNames }: WatchRouteSources): Route {
  return allowMethod("GET", ({ url }, { page }) => {
    const query = new URL(url).searchParams;
    const name = query.get("log");
    const logPath = name === null ? undefined : join(logs, fileOf(name, serverNames()));
    if (feed.watchers >= MAX_WATCHERS) {
      throw new ExaiError(
        "OVER_CAPACITY",
        `${MAX_WATCHERS} watch already; close a page of EXAI or an exai-daemon top`,
        { retryAfterMs: 5000 },
      );
    }
    return new Response(feed.watch({ logPath, page }), { headers: NDJSON });
  });
}

/** @throws {ExaiError} `RESOURCE_NOT_FOUND` for a name that no server has */
function fileOf(name: string, servers: readonly string[]): string {
  if (servers.includes(name)) return serverLogName(name);
  if (name === DAEMON_LOG) return "daemon.log";
  const known = [...new Set([DAEMON_LOG, ...servers])];
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `there is no log of ${quoteName(name)}${didYouMean(name, known)}; there are: ${known.join(", ")}`,
  );
}
