import { isObject, type Json, type JsonObject, textOf } from "../../base/json.ts";

/** Keys of JSON Schema whose arrays have no order. */
const UNORDERED: ReadonlySet<string> = new Set(["required", "enum", "type"]);

/**
 * `list` in the order and the bytes of `before`, an earlier list of the same server, as far as it means the same: servers
 * that keep their tools in hash maps list them in another order at each start. What such a server adds comes last. The
 * same array as `before` when nothing has changed.
 *
 * @example
 * ```ts
 * import { assertStrictEquals } from "@std/assert";
 * import { steadyList } from "./steady_list.ts";
 *
 * const before = [{ name: "read", title: "Read" }, { name: "write" }];
 * assertStrictEquals(steadyList(before, [{ name: "write" }, { title: "Read", name: "read" }]), before);
 * ```
 */
export function steadyList(
  before: readonly JsonObject[],
  list: readonly JsonObject[],
): readonly JsonObject[] {
  try {
    if (JSON.stringify(before) === JSON.stringify(list)) return before;
    const [known, current] = [before, list].map(byName);
    // Which of several entries of one name is which cannot be told.
    if (!known || !current) return list;
    const steady = inOrder(known, current).map(([name, entry]) => {
      const old = known.get(name);
      return old && canonicalText(old) === canonicalText(entry) ? old : entry;
    });
    return steady.length === before.length && steady.every((entry, i) => entry === before[i])
      ? before
      : steady;
  } catch {
    // Nested too deeply to compare.
    return list;
  }
}

type Entries = ReadonlyMap<string, JsonObject>;

/** The entries of `current` in their order, unless those that are in `known` too have another there: new ones last then. */
function inOrder(known: Entries, current: Entries): [string, JsonObject][] {
  const kept = [...known.keys()].filter((name) => current.has(name));
  const now = [...current.keys()].filter((name) => known.has(name));
  if (kept.every((name, i) => name === now[i])) return [...current];
  const added = [...current].filter(([name]) => !known.has(name));
  return [...kept.map((name): [string, JsonObject] => [name, current.get(name)!]), ...added];
}

/** The entries by what identifies them; undefined when that is missing or not unique. */
function byName(list: readonly JsonObject[]): Map<string, JsonObject> | undefined {
  const entries = new Map<string, JsonObject>();
  for (const entry of list) {
    const name = nameOf(entry);
    if (name === undefined || entries.has(name)) return undefined;
    entries.set(name, entry);
  }
  return entries;
}

function nameOf(entry: unknown): string | undefined {
  return isObject(entry) ? textOf(entry.uri) ?? textOf(entry.uriTemplate) ?? textOf(entry.name) : undefined;
}

/** A text that is equal for values that mean the same: objects by key, and sets of a JSON Schema in one order. */
function canonicalText(value: Json | undefined, isSchema = false): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalText(item, isSchema)).join()}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "null";
  const fields = Object.keys(value).filter((key) => value[key] !== undefined).sort().map((key) => {
    const field = value[key];
    const isSet = isSchema && UNORDERED.has(key) && Array.isArray(field);
    const inSchema = isSchema || key === "inputSchema" || key === "outputSchema";
    const text = isSet
      ? `[${field.map((item) => canonicalText(item)).sort().join()}]`
      : canonicalText(field, inSchema);
    return `${JSON.stringify(key)}:${text}`;
  });
  return `{${fields.join()}}`;
}
