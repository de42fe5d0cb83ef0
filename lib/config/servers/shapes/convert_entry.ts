import type { JsonObject } from "../../../base/json.ts";
import { type EntryDialect, EntryDraft, type EntryNote, type EntryPath } from "./entry_draft.ts";
import { convertChoices } from "./choices.ts";
import { convertReach } from "./reach.ts";
import { convertTexts } from "./texts.ts";
import { convertTimeouts } from "./timeouts.ts";

/** A client's entry in EXAI's own keys. */
export interface ConvertedEntry {
  /** Values are not checked yet, and keys that EXAI does not know are left in. */
  entry: JsonObject;
  notes: readonly EntryNote[];
  /** Where in the client's entry a value of `entry` was. */
  sourceOf(path: EntryPath): EntryPath;
}

/**
 * The entry of one server as `mcp.json` has it, made of the one in a client's file. Nothing is read or looked up: variables
 * stay in it, in EXAI's spelling.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { convertEntry } from "./convert_entry.ts";
 *
 * const { entry } = convertEntry({ type: "local", command: ["npx", "-y", "x"], enabled: false }, "opencode");
 * assertEquals(entry, { type: "stdio", command: "npx", args: ["-y", "x"], disabled: true });
 * ```
 */
export function convertEntry(value: JsonObject, dialect: EntryDialect): ConvertedEntry {
  const draft = new EntryDraft(value);
  const client = dialect === "other" ? dialectByKeys(value) : dialect;
  convertReach(draft, client);
  convertChoices(draft);
  convertTimeouts(draft, client);
  convertTexts(draft);
  return { entry: draft.entry, notes: draft.notes, sourceOf: (path) => draft.sourceOf(path) };
}

/** Keys that one client alone has, for an entry that was copied out of its file. */
const TELLING_KEYS: readonly [keys: readonly string[], dialect: EntryDialect][] = [
  [["httpUrl", "includeTools", "excludeTools", "trust"], "gemini"],
  [["alwaysAllow"], "roo"],
  [["alwaysLoad"], "claude-code"],
  [["environment"], "opencode"],
];

function dialectByKeys(value: JsonObject): EntryDialect {
  const hasOne = (keys: readonly string[]) => keys.some((key) => value[key] !== undefined);
  return TELLING_KEYS.find(([keys]) => hasOne(keys))?.[1] ?? "other";
}
