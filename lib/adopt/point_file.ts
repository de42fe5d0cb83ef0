import { type Json, type JsonObject, valueAt } from "../base/json.ts";
import { type DocumentEdit, type DocumentPath, editedValue } from "../documents/document.ts";
import type { Candidate } from "./candidates.ts";
import type { ClientReading } from "./read.ts";
import { type Door, newEntryExtras, REACH_KEYS, reachOf } from "./shim_entry.ts";

/** What happens to one entry of a client's file. */
export type EntryChange =
  | { kind: "added"; name: string; server: string | undefined }
  | { kind: "removed"; name: string }
  | { kind: "pointed"; name: string; server: string };

/** How a client's file is changed. */
interface FileChanges {
  edits: DocumentEdit[];
  changes: EntryChange[];
}

/** The name of EXAI's entry in a client. */
const OWN_ENTRY = "exai";

/** Another where a server that stays has that name. */
function ownEntryName({ entries }: ClientReading, candidates: readonly Candidate[]): string {
  const staying = entries.filter((entry) => !candidates.some((candidate) => candidate.entry === entry));
  return staying.some(({ name }) => name === OWN_ENTRY) ? `${OWN_ENTRY}-all` : OWN_ENTRY;
}

interface PointOptions {
  door: Door;
  /** The name in `mcp.json` of the server of a candidate. */
  nameOf(candidate: Candidate): string;
  /** Whether EXAI's own entry is added. */
  isEntryAdded: boolean;
}

/** One entry for all servers takes the place of those that are taken over. */
export function pointTogether(
  reading: ClientReading,
  candidates: readonly Candidate[],
  { door, isEntryAdded }: PointOptions,
): FileChanges {
  const { style } = reading.found.client;
  const name = ownEntryName(reading, candidates);
  const added = isEntryAdded
    ? addition(reading, {
      name,
      value: { ...newEntryExtras(style, name), ...reachOf(style, door), ...longestLimits(candidates) },
    })
    : [];
  const target = added[0]?.path.join();
  const removed = candidates.filter(({ entry }) => entry.path.join() !== target);
  return {
    edits: [...added, ...removals(removed)],
    changes: [
      ...candidates.map(({ entry }): EntryChange => ({ kind: "removed", name: entry.name })),
      ...(isEntryAdded ? [{ kind: "added", name, server: undefined } as const] : []),
    ],
  };
}

const LIMITS = ["timeout", "tool_timeout_sec", "startup_timeout_sec", "startup_timeout_ms"];

/** The longest of the time limits by which the client gives up, each in the client's own unit. */
function longestLimits(candidates: readonly Candidate[]): JsonObject {
  return Object.fromEntries(LIMITS.flatMap((key) => {
    const limits = candidates.map(({ entry: { value } }) => (value as JsonObject)[key])
      .filter((limit) => typeof limit === "number");
    return limits.length === 0 ? [] : [[key, Math.max(...limits)]];
  }));
}

/** Each entry keeps its name and what its client decides by, and reaches its server through EXAI. */
export function pointEach(
  reading: ClientReading,
  candidates: readonly Candidate[],
  { door, nameOf, isEntryAdded }: PointOptions,
): FileChanges {
  const { style } = reading.found.client;
  const name = ownEntryName(reading, candidates);
  const edits = candidates.flatMap((candidate) => {
    const { entry: { path, value } } = candidate;
    return reachEdits(path, value as JsonObject, reachOf(style, door, nameOf(candidate)));
  });
  const own = isEntryAdded && !candidates.some(({ entry }) => entry.name === OWN_ENTRY)
    ? addition(reading, {
      name,
      value: { ...newEntryExtras(style, name), ...reachOf(style, door, OWN_ENTRY) },
    })
    : [];
  return {
    edits: [...own, ...edits],
    changes: [
      ...candidates.map((candidate): EntryChange => {
        return { kind: "pointed", name: candidate.entry.name, server: nameOf(candidate) };
      }),
      ...(own.length > 0 ? [{ kind: "added", name, server: OWN_ENTRY } as const] : []),
    ],
  };
}

/** Puts an entry into the first section of the table that has no directory in its path. */
function addition(
  { found, document }: ClientReading,
  { name, value }: { name: string; value: JsonObject },
): DocumentEdit[] {
  const plain = found.file.sections.filter((section) => !section.includes("*"));
  const section = plain.find((path) => valueAt(document.value, path) !== undefined) ?? plain[0]!;
  const there = valueAt(document.value, section);
  if (!Array.isArray(there)) return [{ path: [...section, name], value }];
  return [{ path: [...section, there.length], value: { name, ...value } }];
}

/** The last item of an array first, so that the places of the others stay. */
function removals(candidates: readonly Candidate[]): DocumentEdit[] {
  const paths = candidates.map(({ entry }) => entry.path);
  return paths.toSorted((a, b) => Number(b.at(-1)) - Number(a.at(-1)) || 0).map((path) => ({
    path,
    value: undefined,
  }));
}

function reachEdits(path: DocumentPath, before: JsonObject, reach: JsonObject): DocumentEdit[] {
  const put = Object.entries(reach).map(([key, value]): DocumentEdit => ({ path: [...path, key], value }));
  const gone = REACH_KEYS.filter((key) => before[key] !== undefined && reach[key] === undefined)
    .map((key): DocumentEdit => ({ path: [...path, key], value: undefined }));
  return [...put, ...gone];
}

/** The edits that take `edits` back, for a document that said `before`. */
export function inverseOf(edits: readonly DocumentEdit[], before: Json): DocumentEdit[] {
  const inverse: DocumentEdit[] = [];
  let value = before;
  for (const edit of edits) {
    const old = valueAt(value, edit.path);
    inverse.unshift({ path: edit.path, value: old });
    value = editedValue(value, edit);
  }
  return inverse;
}
