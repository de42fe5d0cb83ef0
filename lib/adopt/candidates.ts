import { isDeepStrictEqual } from "node:util";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { MINUTE_MS } from "../base/units.ts";
import type { ClientProfile } from "./client_profile.ts";
import { type AskedValue, importEntry } from "./import_entry.ts";
import { throughInterop } from "./interop.ts";
import type { ClientEntry } from "./find.ts";
import type { ClientReading } from "./read.ts";
import { serverKey } from "./same_server.ts";

/** An entry that can become one of `mcp.json`. */
export interface Candidate {
  reading: ClientReading;
  entry: ClientEntry;
  imported: JsonObject;
  /** The directory of its project, where it depends on that. */
  directory: string | undefined;
  isDisabled: boolean;
  notes: readonly string[];
  asks: readonly AskedValue[];
}

/** An entry that stays in its file as it is. */
export interface KeptEntry {
  reading: ClientReading;
  entry: ClientEntry;
  reason: string;
}

/** Entries that are the same server. */
export interface CandidateGroup {
  key: string;
  candidates: readonly Candidate[];
  /** What `mcp.json` gets, without `disabled`. */
  entry: JsonObject;
  /** Whether every client has it switched off. */
  isDisabled: boolean;
  notes: readonly string[];
}

/** Sorts the entries of the files: what can be taken over, and what stays where it is. */
export function candidatesOf(
  readings: readonly ClientReading[],
  isOwn: (reading: ClientReading, entry: ClientEntry) => boolean,
): { candidates: Candidate[]; kept: KeptEntry[] } {
  const [candidates, kept]: [Candidate[], KeptEntry[]] = [[], []];
  for (const reading of readings) {
    for (const entry of reading.entries) {
      if (isOwn(reading, entry)) continue;
      const result = importEntry(entry.value, {
        dialect: reading.found.client.dialect,
        root: reading.document.value,
        project: entry.project,
      });
      if (typeof result === "string") kept.push({ reading, entry, reason: result });
      else {
        const { entry: imported, ...more } = result;
        const isForeign = reading.found.isWindowsSide;
        candidates.push({
          reading,
          entry,
          imported: isForeign ? throughInterop(imported) : imported,
          ...more,
        });
      }
    }
  }
  return { candidates, kept };
}

/** The candidates by what they start or reach, in the order they were found. */
export function groupsOf(candidates: readonly Candidate[]): CandidateGroup[] {
  const byKey = Map.groupBy(candidates, ({ imported }) => serverKey(imported));
  return Array.from(byKey, ([key, group]) => {
    const { entry, notes } = merged(group);
    return { key, candidates: group, entry, notes, isDisabled: group.every(({ isDisabled }) => isDisabled) };
  });
}

const CHOICES = ["include", "exclude", "prefix", "rename"] as const;
/** The time limits, and what EXAI's own are where an entry has none. */
const LIMITS = { callTimeoutMs: 2 * MINUTE_MS, startTimeoutMs: MINUTE_MS } as const;

/** One entry for all: which tools are offered only where all agree, and the longest of their time limits. */
function merged(group: readonly Candidate[]): { entry: JsonObject; notes: string[] } {
  const entry = { ...group[0]!.imported };
  const notes = new Set(group.flatMap(({ notes }) => notes));
  // One that several projects have runs in the directory of each window, as it did.
  const [directory, ...others] = new Set(group.map(({ directory }) => directory));
  if (directory !== undefined && others.length === 0) entry.cwd = directory;
  for (const key of CHOICES) {
    const values = group.map(({ imported }) => imported[key]);
    if (values.every((value) => isDeepStrictEqual(value, values[0]))) continue;
    delete entry[key];
    notes.add(`${key} differs between its clients and stays with each`);
  }
  for (const [key, ownMs] of Object.entries(LIMITS)) {
    const limits = new Set(group.map(({ imported }) => imported[key] as number | undefined));
    if (limits.size === 1) continue;
    const longest = Math.max(...Array.from(limits, (limit) => limit ?? ownMs));
    if (limits.has(longest)) {
      entry[key] = longest;
      notes.add(`${key} differs between its clients; the longest, ${longest}, is for all`);
    } else {
      delete entry[key];
      notes.add(`${key} is left out, as a client without it may wait longer`);
    }
  }
  return { entry, notes: [...notes] };
}

const CLIENT_KEYS = [
  ...["alwaysAllow", "always_allow", "autoApprove", "auto_approve", "autoAllow", "trust", "toolPermissions"],
  ...["permissions", "disabledAutoApproveTools", "default_tools_approval_mode", "tools", "allowedTools"],
  ...["allowed_tools", "enabledTools", "enabled_tools", "includeTools", "include_tools", "availableTools"],
  ...["available_tools", "disabledTools", "disabled_tools", "excludeTools", "exclude_tools", "excludedTools"],
  "blockedTools",
];

/** The keys of an entry by which its client decides about single tools: they have a meaning only beside that server. */
export function clientKeysOf({ value }: Pick<ClientEntry, "value">): string[] {
  return isObject(value) ? CLIENT_KEYS.filter((key) => says(value[key])) : [];
}

function says(value: Json | undefined): boolean {
  if (Array.isArray(value)) return value.length > 0 && !value.includes("*");
  if (isObject(value)) return Object.keys(value).length > 0;
  return typeof value === "string" ? value !== "" : value === true;
}

/** How one client, on one side of the machine, is told from the others. */
export function clientKey(
  { client, isWindowsSide }: { client: ClientProfile; isWindowsSide: boolean },
): string {
  return `${client.id}${isWindowsSide ? " on Windows" : ""}`;
}
