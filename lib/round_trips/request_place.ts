import { LOG_LEVELS, type LogLevel, progressTokenOf, withTokenText } from "../wire/mcp.ts";
import { memberOf, type Params, RawObject } from "../wire/raw_object.ts";
import type { RequestPlace, RoundTripRequest } from "./request.ts";

/**
 * The place of one request for what its call sends meanwhile, whichever request the call began with: progress gets the
 * token of this request, and is dropped if it has none; log messages follow the level of this request, and are dropped
 * if it has none (MCP basic/patterns/progress; server/utilities/logging).
 */
export function placeOf(request: RoundTripRequest): RequestPlace {
  const { place, params, logLevel } = request;
  const token = params instanceof RawObject ? progressTokenOf(params)?.text : undefined;
  return {
    markBegun: (options) => place.markBegun?.(options),
    notify: (method, sent) => {
      switch (method) {
        case "notifications/progress":
          return token === undefined ? undefined : place.notify(method, withTokenText(sent, token));
        case "notifications/message":
          return wants(logLevel, sent) ? place.notify(method, sent) : undefined;
        default:
          return place.notify(method, sent);
      }
    },
  };
}

function wants(least: LogLevel | undefined, params: Params): boolean {
  if (least === undefined) return false;
  const levels: readonly unknown[] = LOG_LEVELS;
  return levels.indexOf(memberOf(params, "level")) >= levels.indexOf(least);
}
