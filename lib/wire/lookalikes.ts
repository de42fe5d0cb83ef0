/** What is read of a message. */
const ENVELOPE: ReadonlySet<string> = new Set(["jsonrpc", "id", "method", "params", "result", "error"]);

/** What is read of the params of a request, and what names something that belongs to a window. */
const PARAMS: ReadonlySet<string> = new Set([
  "name",
  "uri",
  "ref",
  "taskId",
  "requestId",
  "progressToken",
  "arguments",
  "_meta",
]);

/**
 * Whether some readers take `name` for another name that is read here: those that ignore case, as Go's `encoding/json`
 * does, or end a name at NUL, as cJSON does. Passed on, `"ID"` beside `"id"` would be the id of another window's call,
 * and `"Name"` a tool that the filter has not seen.
 *
 * @param of what the name is a member of
 * @example
 * ```ts
 * import { assert, assertFalse } from "@std/assert";
 * import { isLookalike } from "./lookalikes.ts";
 *
 * assert(isLookalike("ID", "message"));
 * assertFalse(isLookalike("id", "message"));
 * assertFalse(isLookalike("ident", "message"));
 * ```
 */
export function isLookalike(name: string, of: "message" | "params" | "meta"): boolean {
  if (of === "meta") return name !== "progressToken" && folded(name) === "progresstoken";
  const read = of === "message" ? ENVELOPE : PARAMS;
  return !read.has(name) && (of === "message" ? FOLDED_ENVELOPE : FOLDED_PARAMS).has(folded(name));
}

const FOLDED_ENVELOPE: ReadonlySet<string> = new Set([...ENVELOPE].map(folded));
const FOLDED_PARAMS: ReadonlySet<string> = new Set([...PARAMS].map(folded));

/** Letters that differ in case only, the long s and the Kelvin sign included, are one. */
function folded(name: string): string {
  const end = name.indexOf("\0");
  return (end < 0 ? name : name.slice(0, end)).toUpperCase().toLowerCase();
}
