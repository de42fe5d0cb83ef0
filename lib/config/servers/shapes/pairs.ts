import { isObject, type Json, type JsonObject, textOf } from "../../../base/json.ts";
import type { EntryDraft } from "./entry_draft.ts";

/**
 * Converts names and values that stand as an array, of texts or of objects with a name and a value, and leaves out an empty
 * text in place of an object.
 *
 * @param form how one of the texts is written: `NAME=value` or `Name: value`
 */
export function convertPairs(draft: EntryDraft, key: "env" | "headers", form: string): void {
  const value = draft.entry[key];
  if (value === "" || Array.isArray(value) && value.length === 0) draft.take(key);
  if (!Array.isArray(value) || value.length === 0) return;
  const pairs = value.map((item) => pairOf(item, form.includes("=") ? "=" : ":"));
  const wrong = pairs.findIndex((pair) => pair === undefined);
  if (wrong >= 0) {
    // The item may hold a secret.
    const message =
      `is neither ${form} nor an object with name and value; write an object: {"NAME": "value"}`;
    draft.note("fault", [key, wrong], message);
    draft.take(key);
    return;
  }
  const entries = pairs as [string, Json][];
  draft.put(key, Object.fromEntries(entries) as JsonObject, [key]);
  const source = draft.sourceOf([key]);
  for (const [i, [name]] of entries.entries()) draft.moved([key, name], [...source, i]);
}

function pairOf(item: Json, separator: string): [name: string, value: Json] | undefined {
  if (typeof item === "string") {
    const cut = item.indexOf(separator);
    return cut <= 0 ? undefined : [item.slice(0, cut).trim(), item.slice(cut + 1).trim()];
  }
  if (!isObject(item)) return undefined;
  const name = textOf(item.name) ?? textOf(item.key);
  const { value } = item;
  return name && value !== undefined && (value === null || typeof value !== "object")
    ? [name, value]
    : undefined;
}
