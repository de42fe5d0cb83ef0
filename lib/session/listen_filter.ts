import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { changedLists } from "../call/list_changes.ts";
import { LIST_FLAGS, type ListFlag } from "../wire/list_flags.ts";
import { memberOf, type Params, type RawObject } from "../wire/raw_object.ts";

/** The notifications that one listen asks for, or gets. */
export interface ListenFilter {
  /** The notification of each. */
  readonly lists: ReadonlyMap<ListFlag, string>;
  /** Resources whose updates are told, and those below them. */
  readonly uris: ReadonlySet<string>;
  readonly taskIds: ReadonlySet<string>;
}

/**
 * What `notifications` of a listen asks for. Members that are not known are left out, as what is not supported is.
 *
 * @throws {ExaiError} `INVALID_PARAMS` naming what is wrong
 */
export function readListenFilter(body: RawObject): ListenFilter {
  const asked = body.get("notifications");
  if (!isObject(asked)) throw invalid("must be an object with what is to be told, as toolsListChanged: true");
  const odd = LIST_FLAGS.find(({ flag }) => asked[flag] !== undefined && typeof asked[flag] !== "boolean");
  if (odd) throw invalid(`has a ${odd.flag} that is neither true nor false`);
  return {
    lists: new Map(
      LIST_FLAGS.filter(({ flag }) => asked[flag] === true).map(({ flag, method }) => [flag, method]),
    ),
    uris: new Set(textsOf(asked.resourceSubscriptions, "resourceSubscriptions")),
    taskIds: new Set(textsOf(asked.taskIds, "taskIds")),
  };
}

/** `filter` as `notifications/subscriptions/acknowledged` says it. */
export function shownFilter({ lists, uris, taskIds }: ListenFilter): JsonObject {
  return {
    ...Object.fromEntries(Array.from(lists.keys(), (flag) => [flag, true])),
    ...(uris.size > 0 ? { resourceSubscriptions: [...uris] } : {}),
    ...(taskIds.size > 0 ? { taskIds: [...taskIds] } : {}),
  };
}

/** Whether a listen with `filter` is told `method` with `params`: what nobody asked for is never told. */
export function isAskedFor(filter: ListenFilter, method: string, params: Params | undefined): boolean {
  if (changedLists(method).length > 0) return filter.lists.values().some((one) => one === method);
  if (method === "notifications/resources/updated") {
    return isUnderOne(filter.uris, params && memberOf(params, "uri"));
  }
  if (method !== "notifications/tasks") return false;
  const taskId = params && memberOf(params, "taskId");
  return typeof taskId === "string" && filter.taskIds.has(taskId);
}

/** Whether `uri` is one of `uris` or a sub-resource of one. */
function isUnderOne(uris: ReadonlySet<string>, uri: Json | undefined): boolean {
  if (typeof uri !== "string") return false;
  if (uris.has(uri)) return true;
  for (const one of uris) if (uri.startsWith(one.endsWith("/") ? one : `${one}/`)) return true;
  return false;
}

function textsOf(value: Json | undefined, name: string): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every((one) => typeof one === "string")) {
    throw invalid(`has ${name} that is no list of texts`);
  }
  return value;
}

function invalid(why: string): ExaiError {
  return new ExaiError("INVALID_PARAMS", `notifications ${why}`);
}
