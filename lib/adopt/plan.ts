import { type Json, type JsonObject, valueAt } from "../base/json.ts";
import { catalogName, findSections } from "../config/servers.ts";
import { type DocumentEdit, type DocumentPath } from "../documents/document.ts";
import {
  type Candidate,
  type CandidateGroup,
  clientKey,
  clientKeysOf,
  groupsOf,
  type KeptEntry,
} from "./candidates.ts";
import { type AskedValue, importEntry } from "./import_entry.ts";
import { type EntryChange, pointEach, pointTogether } from "./point_file.ts";
import type { ClientEntry } from "./find.ts";
import type { ClientReading, LeftFile } from "./read.ts";
import type { FoundRules } from "./rules.ts";
import { serverKey } from "./same_server.ts";
import { nameGroups } from "./server_names.ts";
import { type Door, takesUrl } from "./shim_entry.ts";

/** How clients reach the daemon, from its own side of the machine and from the Windows side of WSL. */
export interface Doors {
  own: Door;
  windows: Door;
}

/** What a plan is made of. */
interface PlanInput {
  readings: readonly ClientReading[];
  /** The entries of the files that can be taken over, and those that stay. */
  candidates: readonly Candidate[];
  kept: readonly KeptEntry[];
  left: readonly LeftFile[];
  rules: readonly FoundRules[];
  /** What `mcp.json` says now. */
  mcp: JsonObject;
  doors: Doors;
  /** As `doors` for a client that takes no URL: through the shim. */
  shims: Doors;
  /** Whether an entry is one of EXAI itself, and whether that shows all servers. */
  ownEntry(reading: ClientReading, entry: ClientEntry): "all" | "one" | undefined;
  /** Whether every client gets an entry for each server. */
  isEach: boolean;
}

/** A server as it is after the adoption. */
export interface PlannedServer {
  /** Its name in the catalog. */
  name: string;
  /** Its name in `mcp.json`. */
  title: string;
  entry: JsonObject;
  isDisabled: boolean;
  /** Whether it is in `mcp.json` already. */
  isThere: boolean;
  origins: readonly Candidate[];
  notes: readonly string[];
  asks: readonly AskedValue[];
}

/** A file as it is after the adoption. */
export interface PlannedFile {
  reading: ClientReading;
  edits: readonly DocumentEdit[];
  changes: readonly EntryChange[];
  /** Why each server keeps an entry of its own. */
  reasons: readonly string[];
}

/** What `adopt` does. */
export interface AdoptionPlan {
  servers: readonly PlannedServer[];
  /** The edits of `mcp.json`. */
  imports: readonly DocumentEdit[];
  files: readonly PlannedFile[];
  kept: readonly KeptEntry[];
  left: readonly LeftFile[];
}

/** Decides what is changed; nothing is read or written. */
export function planAdoption(input: PlanInput): AdoptionPlan {
  const { candidates, kept } = input;
  const groups = groupsOf(candidates);
  const there = serversIn(input.mcp);
  const fresh = groups.filter(({ key }) => !there.byKey.has(key));
  const names = new Map([...there.byKey, ...nameGroups(fresh, there.names)]);
  const servers = groups.map((group) => plannedServer(group, names.get(group.key)!, there));
  const nameOf = ({ imported }: Candidate) => names.get(serverKey(imported))!;
  return {
    servers,
    imports: importsOf(servers.filter(({ isThere }) => !isThere), input.mcp),
    files: plannedFiles(input, { candidates, groups, nameOf }),
    kept,
    left: input.left,
  };
}

/** Adds servers to the section that `mcp.json` has, whatever its name and shape. */
function importsOf(servers: readonly PlannedServer[], mcp: JsonObject): DocumentEdit[] {
  const section: DocumentPath = findSections(mcp).sections[0]?.path ?? ["mcpServers"];
  const there = valueAt(mcp, section);
  return servers.map(({ title, entry, isDisabled }, i) => {
    const value = isDisabled ? { ...entry, disabled: true } : entry;
    return Array.isArray(there)
      ? { path: [...section, there.length + i], value: { name: title, ...value } }
      : { path: [...section, title], value };
  });
}

interface ServersThere {
  byKey: Map<string, string>;
  names: Set<string>;
  disabled: Set<string>;
}

function serversIn(mcp: JsonObject): ServersThere {
  const there: ServersThere = { byKey: new Map(), names: new Set(), disabled: new Set() };
  for (const { dialect, entries } of findSections(mcp).sections) {
    for (const { title, value } of entries) {
      const name = title === undefined ? undefined : catalogName(title);
      if (name === undefined) continue;
      const entry = importEntry(value, { dialect, root: mcp as Json, project: undefined });
      there.names.add(name);
      if (typeof entry === "string") continue;
      if (entry.isDisabled) there.disabled.add(name);
      there.byKey.set(serverKey(entry.entry), name);
    }
  }
  return there;
}

function plannedServer(group: CandidateGroup, name: string, there: ServersThere): PlannedServer {
  const isThere = there.byKey.get(group.key) === name;
  const isOff = isThere && there.disabled.has(name);
  const note = isOff && !group.isDisabled ? ["stays disabled, as mcp.json has it"] : [];
  const titles = group.candidates.map(({ entry }) => entry.name);
  return {
    name,
    title: titles.find((title) => catalogName(title) === name) ?? name,
    entry: group.entry,
    isDisabled: isThere ? isOff : group.isDisabled,
    isThere,
    origins: group.candidates,
    notes: [...group.notes, ...note],
    asks: isThere
      ? []
      : [...new Map(group.candidates.flatMap(({ asks }) => asks).map((ask) => [ask.id, ask])).values()],
  };
}

interface Sorted {
  candidates: readonly Candidate[];
  groups: readonly CandidateGroup[];
  nameOf(candidate: Candidate): string;
}

function plannedFiles(input: PlanInput, sorted: Sorted): PlannedFile[] {
  const byClient = Map.groupBy(input.readings, ({ found }) => clientKey(found));
  return [...byClient.values()].flatMap((readings) => {
    const own = sorted.candidates.filter(({ reading }) => readings.includes(reading));
    const reasons = reasonsForEach(own, input, sorted.groups);
    const isEach = input.isEach || reasons.length > 0;
    let hasEntry = false;
    return readings.flatMap((reading): PlannedFile[] => {
      const candidates = own.filter((candidate) => candidate.reading === reading);
      const { found } = reading;
      if (reading.entries.some((entry) => input.ownEntry(reading, entry) === "all")) hasEntry = true;
      if (candidates.length === 0) return [];
      if (!reading.language) return [{ reading, edits: [], changes: [], reasons }];
      const isSecond = hasEntry && found.project !== undefined;
      const isOwnThere = reading.entries.some((entry) => input.ownEntry(reading, entry) !== undefined);
      const doors = takesUrl(found.client.style) ? input.doors : input.shims;
      const door = found.isWindowsSide ? doors.windows : doors.own;
      const options = { door, nameOf: sorted.nameOf, isEntryAdded: !isSecond && !isOwnThere };
      const point = isEach ? pointEach : pointTogether;
      hasEntry ||= options.isEntryAdded && found.project === undefined;
      return [{ reading, ...point(reading, candidates, options), reasons }];
    });
  });
}

/** Why the client needs an entry for each server: it decides something by their names. */
function reasonsForEach(
  candidates: readonly Candidate[],
  { rules }: PlanInput,
  groups: readonly CandidateGroup[],
): string[] {
  const reasons = candidates.flatMap(({ reading, entry, isDisabled, imported }) => {
    const { client } = reading.found;
    const keys = clientKeysOf(entry);
    const rule = rules.find((one) => one.client === client && one.isFor(entry.name));
    const group = groups.find(({ key }) => key === serverKey(imported));
    const isOffHere = isDisabled && group?.isDisabled === false;
    return [
      ...(keys.length > 0 ? [`${entry.name} has ${keys.join(", ")}`] : []),
      ...(rule ? [`${rule.path} names ${entry.name}`] : []),
      ...(isOffHere ? [`${entry.name} is switched off here and not elsewhere`] : []),
    ];
  });
  return [...new Set(reasons)];
}
