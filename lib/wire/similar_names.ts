/** The members of a message of JSON-RPC. */
const OF_MESSAGE = byLowerCase(["jsonrpc", "id", "method", "params", "result", "error"]);

/** The parameters that are read here, or are put in place of a client's. */
const OF_PARAMS = byLowerCase([
  "name",
  "uri",
  "ref",
  "taskId",
  "requestId",
  "progressToken",
  "arguments",
  "_meta",
]);

/** The same of `_meta`. */
const OF_META = byLowerCase(["progressToken"]);

/**
 * Whether a reader that ignores case, as Go's `encoding/json` does, takes the member `name` of a message for one of
 * JSON-RPC: of `"id":1,"ID":2` it takes the last, and would answer another request than the one that is meant.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isLikeOfMessage } from "./similar_names.ts";
 *
 * assertEquals(["id", "ID", "trace"].map(isLikeOfMessage), [false, true, false]);
 * ```
 */
export function isLikeOfMessage(name: string): boolean {
  return meantBy(name, OF_MESSAGE) !== undefined;
}

/** As {@linkcode isLikeOfMessage}, for a member of params. */
export function isLikeOfParams(name: string): boolean {
  return meantBy(name, OF_PARAMS) !== undefined;
}

/** As {@linkcode isLikeOfMessage}, for a member of `_meta`. */
export function isLikeOfMeta(name: string): boolean {
  return meantBy(name, OF_META) !== undefined;
}

/** The one of `names` that `name` is in another case; undefined for itself. */
function meantBy(name: string, names: ReadonlyMap<string, string>): string | undefined {
  if (names.get(name) === name) return undefined;
  const meant = names.get(withoutCase(name));
  return meant === name ? undefined : meant;
}

function byLowerCase(names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(names.map((name) => [withoutCase(name), name]));
}

/** `name` as such readers compare it: the long s is an s, the Kelvin sign a k, and for cJSON a name ends at NUL. */
function withoutCase(name: string): string {
  const end = name.indexOf("\0");
  return (end < 0 ? name : name.slice(0, end)).toUpperCase().toLowerCase();
}
