// @ts-types="@modelcontextprotocol/sdk/types"
import {
  PromptSchema,
  ResourceSchema,
  ResourceTemplateSchema,
  TaskSchema,
  ToolSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { clipRedacted, quoteName } from "../base/text.ts";
import { isObject, type Json, type JsonObject, plainOf } from "../base/json.ts";
import { KIB, MIB } from "../base/units.ts";
import { legacyOutputSchema } from "../wire/legacy_schemas.ts";
import { measure } from "./measure.ts";
import type { ListKind } from "./server.ts";

/** A list without the entries that clients refuse. */
export interface Sifted {
  entries: readonly JsonObject[];
  /** What was left out or corrected, a phrase for each entry; at most {@linkcode MAX_NAMED}, and how many more. */
  faults: readonly string[];
}

type Sieved = ListKind | "tasks";

/** The schemas by which the SDK's clients check lists; one invalid entry makes them reject the whole list. */
const SCHEMAS = {
  tools: ToolSchema,
  prompts: PromptSchema,
  resources: ResourceSchema,
  templates: ResourceTemplateSchema,
  tasks: TaskSchema,
} as const;

/** The field that identifies the entries of a list, and the noun for one. */
const KEYS: Readonly<Record<Sieved, { key: string; noun: string }>> = {
  tools: { key: "name", noun: "tool" },
  prompts: { key: "name", noun: "prompt" },
  resources: { key: "uri", noun: "resource" },
  templates: { key: "uriTemplate", noun: "resource template" },
  tasks: { key: "taskId", noun: "task" },
};

/** JSON parsers limit the depth; the strictest common one allows 128. */
const MAX_DEPTH = 100;
const MAX_ENTRY_CHARS = MIB;
/** Of all entries of one server: the merged list must fit into one message. */
const MAX_LIST_CHARS = 4 * MIB;
const MAX_NAMED = 10;
const MAX_REASON_CHARS = KIB / 4;

/**
 * The entries of `list` that every client accepts. An invalid entry is left out, since a client would reject the whole
 * merged list for it; null in place of an optional member is removed.
 */
export function sift(kind: Sieved, list: readonly unknown[]): Sifted {
  const entries: JsonObject[] = [];
  const faults: string[] = [];
  const seen = new Set<string>();
  let chars = 0;
  const { key, noun } = KEYS[kind];
  for (const [i, value] of list.entries()) {
    const called = isObject(value) && typeof value[key] === "string"
      ? quoteName(value[key])
      : `number ${i + 1}`;
    const size = measure(value, { maxDepth: MAX_DEPTH, maxChars: MAX_ENTRY_CHARS });
    const looked = typeof size === "string" ? size : look(kind, value);
    const why = typeof looked === "string" ? looked : whyNotBeside(looked.entry, { key, seen });
    if (why !== undefined || typeof looked === "string" || typeof size === "string") {
      faults.push(`${noun} ${called} is left out: ${why}`);
      continue;
    }
    chars += size;
    if (chars > MAX_LIST_CHARS) {
      faults.push(
        `the ${list.length - i} entries from ${noun} ${called} on are left out: the list is over 4 MiB`,
      );
      break;
    }
    seen.add(String(looked.entry[key]));
    if (looked.note) faults.push(`${noun} ${called}: ${looked.note}`);
    entries.push(looked.entry);
  }
  return { entries, faults: shortened(faults) };
}

/** What is wrong with an entry, or the entry to show. */
function look(kind: Sieved, value: unknown): string | { entry: JsonObject; note?: string } {
  if (!isObject(value)) return "it is no object";
  const first = faultOf(kind, value);
  if (first === undefined) return { entry: value };
  const entry = withoutNulls(value);
  const fault = faultOf(kind, entry);
  return fault ?? { entry, note: `${first}; null is taken as absent` };
}

function faultOf(kind: Sieved, entry: JsonObject): string | undefined {
  // An output schema of any root is shown as it is to clients that take one, and to others as this.
  const shown = isObject(entry.outputSchema)
    ? { ...entry, outputSchema: legacyOutputSchema(entry.outputSchema) }
    : entry;
  const parsed = SCHEMAS[kind].safeParse(plainOf(shown));
  if (parsed.success) return undefined;
  const [issue] = parsed.error.issues;
  return clipRedacted(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}`, MAX_REASON_CHARS);
}

function whyNotBeside(entry: JsonObject, { key, seen }: { key: string; seen: ReadonlySet<string> }) {
  const value = String(entry[key]);
  if (value === "") return `${key} is empty`;
  return seen.has(value) ? `the same ${key} stands in the list before it` : undefined;
}

/** Members in which optional members may be null as well. */
const PARTS = ["annotations", "execution", "inputSchema", "outputSchema", "icons", "arguments"];

const SCHEMA_MEMBERS: readonly string[] = ["properties", "required"];

function withoutNulls(entry: JsonObject): JsonObject {
  const bare = dropNulls(entry);
  for (const part of PARTS) {
    const value = bare[part];
    if (isObject(value)) {
      bare[part] = part.endsWith("Schema") ? dropNulls(value, SCHEMA_MEMBERS) : dropNulls(value);
    } else if (Array.isArray(value)) {
      bare[part] = value.map((item) => isObject(item) ? dropNulls(item) : item);
    }
  }
  return bare;
}

function dropNulls(object: JsonObject, only?: readonly string[]): JsonObject {
  const kept = Object.entries(object).filter(([key, value]: [string, Json | undefined]) =>
    value !== null || (only !== undefined && !only.includes(key))
  );
  return Object.fromEntries(kept);
}

function shortened(faults: readonly string[]): string[] {
  const more = faults.length - MAX_NAMED;
  return more <= 0 ? [...faults] : [...faults.slice(0, MAX_NAMED), `and ${more} more`];
}
