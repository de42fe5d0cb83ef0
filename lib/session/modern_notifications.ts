import { LIST_FLAGS } from "../wire/list_flags.ts";
import { type LogLevel, reachesLevel, withTokenText } from "../wire/mcp.ts";
import { modernCodec } from "../wire/modern_codec.ts";
import { memberOf, type Params } from "../wire/raw_object.ts";

/** What only listens are told (MCP basic/patterns/subscriptions). */
const OF_LISTENS: ReadonlySet<string> = new Set([
  ...LIST_FLAGS.map(({ method }) => method),
  "notifications/cancelled",
  "notifications/resources/updated",
  "notifications/subscriptions/acknowledged",
  "notifications/tasks",
]);

/** What a request says of the notifications it wants. */
interface WantedNotifications {
  /** Its progress token as it came, as JSON; undefined: no progress. */
  readonly token: string | undefined;
  /** Least severe level of log messages; undefined: none. */
  readonly logLevel: LogLevel | undefined;
}

/**
 * The params with which a request of the modern era is told `method`; undefined when it is not: progress under its own
 * token, log messages of the level it asked for (MCP basic/patterns/progress, server/utilities/logging).
 */
export function paramsForRequest(
  { token, logLevel }: WantedNotifications,
  method: string,
  params: Params,
): Params | undefined {
  if (method === "notifications/progress") {
    return token === undefined ? undefined : withTokenText(params, token);
  }
  if (method === "notifications/message") {
    return logLevel !== undefined && reachesLevel(memberOf(params, "level"), logLevel) ? params : undefined;
  }
  return OF_LISTENS.has(method) || !modernCodec.hasNotification(method) ? undefined : params;
}
