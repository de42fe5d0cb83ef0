import { ExaiError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";

const OF_CALLS = ["id", "session", "server", "tool", "outcome", "since", "limit"];
const OF_ACTION = ["name", "key"];

/** What may stand in the query of each path; nothing where it is not named. */
const QUERY_NAMES: ReadonlyMap<string, readonly string[]> = new Map(Object.entries({
  "/watch": ["log"],
  "/calls": OF_CALLS,
  "/calls/follow": OF_CALLS,
  "/calls/export": ["session"],
  "/cancel": ["id"],
  "/kill": ["what", "id"],
  "/stop": ["home"],
  "/threads/show": ["id"],
  "/threads/delete": ["id"],
  "/servers/restart": OF_ACTION,
  "/servers/park": OF_ACTION,
  "/servers/stop": OF_ACTION,
  "/servers/check": ["name", "session"],
  "/tools": ["session"],
  "/auth": ["server", "by"],
  "/auth/login": ["server", "account", "device", "by"],
  "/auth/logout": ["server", "account", "by"],
  "/auth/wait": ["login", "by"],
  "/auth/finish": ["login", "by"],
}));

/** Daemons of a later release ask it, with what they know. */
const ANY_QUERY = "/handover";

/**
 * Refuses what a path does not know: without a misspelt name an action would be done to more than was meant.
 *
 * @throws {ExaiError} `INVALID_PARAMS`
 */
export function checkQuery(url: string): void {
  const { pathname, searchParams } = new URL(url);
  if (pathname === ANY_QUERY) return;
  const known = QUERY_NAMES.get(pathname) ?? [];
  for (const name of searchParams.keys()) {
    // A token may be there for clients that cannot set headers.
    if (known.includes(name) || name === "token") continue;
    const allowed = known.length === 0 ? "nothing" : known.join(", ");
    throw new ExaiError(
      "INVALID_PARAMS",
      `${pathname} takes no ${quoteName(name)}${didYouMean(name, known)}; allowed: ${allowed}`,
    );
  }
}
