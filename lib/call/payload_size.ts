import type { Json } from "../base/json.ts";
import { rawResult } from "../wire/raw_message.ts";
import type { Result } from "../wire/rpc.ts";
import type { Call } from "./call.ts";

/** Values that are counted of one that was parsed: writing it again would cost more than the rest of its record. */
const MAX_NODES = 200;

/** The size of the arguments of `call` as JSON, in characters. */
export function argumentsSize(call: Call): number {
  return call.body ? call.body.textOf("arguments")?.length ?? 0 : jsonSize(call.params.arguments);
}

/** The size of the content of `result` as JSON, in characters. */
export function contentSize(result: Result): number {
  const raw = rawResult(result);
  return raw ? raw.body?.textOf("content")?.length ?? 0 : jsonSize(result.result?.content);
}

/** Whether `result` is a failure that the tool itself reports. */
export function isToolError(result: Result): boolean {
  const raw = rawResult(result);
  return (raw ? raw.body?.get("isError") : result.result?.isError) === true;
}

/**
 * The size of `value` as JSON, in characters; no more than the first 200 values are counted, and no escapes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { jsonSize } from "./payload_size.ts";
 *
 * const value = { path: "a.ts", lines: [7, 12] };
 * assertEquals(jsonSize(value), JSON.stringify(value).length);
 * ```
 */
export function jsonSize(value: Json | undefined): number {
  return value === undefined ? 0 : count(value, { nodesLeft: MAX_NODES });
}

function count(value: Json, budget: { nodesLeft: number }): number {
  if (budget.nodesLeft-- <= 0) return 0;
  if (typeof value === "string") return value.length + '""'.length;
  if (typeof value !== "object" || value === null) return String(value).length;
  // A bracket before the first part, and a comma or the other bracket after each.
  let chars = 1;
  if (Array.isArray(value)) {
    for (const part of value) {
      if (budget.nodesLeft <= 0) break;
      chars += count(part, budget) + 1;
    }
  } else {
    for (const name of Object.keys(value)) {
      if (budget.nodesLeft <= 0) break;
      const part = value[name];
      if (part !== undefined) chars += name.length + '"":'.length + count(part, budget) + 1;
    }
  }
  return Math.max(chars, "[]".length);
}
