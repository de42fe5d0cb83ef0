import { isObject, type Json, type JsonObject, textOf, valueAt } from "../../../base/json.ts";
import type { EntryDialect } from "./entry_draft.ts";

type Path = (string | number)[];

/** One server of a file, whatever its client is. */
export interface FoundEntry {
  /** Its name in the file; undefined: it has none. */
  title: string | undefined;
  path: Path;
  value: Json;
}

/** An object or an array of servers in a file. */
export interface ServerSection {
  /** Where it is in the file; empty: the file is the section. */
  path: Path;
  dialect: EntryDialect;
  entries: readonly FoundEntry[];
}

/** A section that is neither an object nor an array. */
interface WrongSection {
  path: Path;
}

/** Where clients have their servers, in the order in which a name that stands twice counts. */
const PLACES: readonly { path: readonly string[]; dialect: EntryDialect }[] = [
  { path: ["mcpServers"], dialect: "other" },
  { path: ["servers"], dialect: "other" },
  { path: ["mcp_servers"], dialect: "codex" },
  { path: ["context_servers"], dialect: "other" },
  { path: ["mcp", "servers"], dialect: "other" },
  { path: ["mcp", "mcpServers"], dialect: "other" },
  { path: ["mcp"], dialect: "opencode" },
  { path: ["mcp.servers"], dialect: "other" },
  { path: ["amp.mcpServers"], dialect: "other" },
  { path: ["augment.advanced", "mcpServers"], dialect: "other" },
  { path: ["augment.mcpServers"], dialect: "other" },
];

/** Keys of a section that hold a section once more, as when one file was pasted into another. */
const DOUBLED = ["mcpServers", "servers"];

const REACHED_BY = ["command", "cmd", "url", "httpUrl", "serverUrl", "uri", "type"];

/** JSON has no comments, so some write them as keys. */
const COMMENT = /^(?:[_$#/]|x-)|^comments?$/i;

/** Whether an entry of that name and value is a comment. */
export function isComment(title: string, value: Json): boolean {
  if (/^(?:\/\/|#)/.test(title)) return true;
  return COMMENT.test(title) && !looksLikeEntry(value);
}

function looksLikeEntry(value: Json | undefined): value is JsonObject {
  return isObject(value) && REACHED_BY.some((key) => value[key] !== undefined);
}

/** The servers of a parsed file, by section, and what stands in the place of a section. */
export function findSections(document: JsonObject): { sections: ServerSection[]; wrong: WrongSection[] } {
  const sections: ServerSection[] = [];
  const wrong: WrongSection[] = [];
  for (const { path, dialect } of PLACES) {
    const value = valueAt(document, path);
    if (value === undefined || value === null) continue;
    // `mcp` is a section of opencode's and a setting of others.
    if (path.length === 1 && path[0] === "mcp" && !isMcpSection(value)) continue;
    if (isObject(value)) sections.push(...sectionsOf(value, [...path], dialect));
    else if (Array.isArray(value)) sections.push(arraySection(value, [...path], dialect));
    else wrong.push({ path: [...path] });
  }
  const isBare = sections.length === 0 && wrong.length === 0 && isSection(document);
  if (isBare) sections.push(...sectionsOf(document, [], "other"));
  return { sections, wrong };
}

/** Whether every key of the file but comments names a server, as in the file of a plugin. */
function isSection(document: JsonObject): boolean {
  const entries = Object.entries(document).filter(([key, value]) => !isComment(key, value ?? null));
  return entries.length > 0 && entries.every(([, value]) => looksLikeEntry(value));
}

function isMcpSection(value: Json): boolean {
  return holdsEntries(value) || isObject(value) && Object.keys(value).length === 0;
}

function holdsEntries(value: Json): boolean {
  return isObject(value) && Object.values(value).some(looksLikeEntry);
}

function sectionsOf(value: JsonObject, path: Path, dialect: EntryDialect): ServerSection[] {
  const inner = DOUBLED.filter((key) => isDoubled(key, value[key]));
  const entries = Object.entries(value)
    .filter(([title]) => !inner.includes(title) && !(path.at(-1) === "mcp" && isSetting(title, value[title])))
    .map(([title, entry]): FoundEntry => ({ title, path: [...path, title], value: entry ?? null }));
  const section = { path, dialect, entries };
  return [section, ...inner.flatMap((key) => sectionsOf(value[key] as JsonObject, [...path, key], dialect))];
}

/** Beside opencode's servers there may be settings of `mcp`. */
function isSetting(title: string, value: Json | undefined): boolean {
  return !looksLikeEntry(value) && (!isObject(value) || ["timeout", "servers", "mcpServers"].includes(title));
}

function isDoubled(key: string, value: Json | undefined): boolean {
  return DOUBLED.includes(key) && !looksLikeEntry(value) && holdsEntries(value ?? null);
}

/** An array of servers, each with its name. */
function arraySection(values: readonly Json[], path: Path, dialect: EntryDialect): ServerSection {
  const entries = values.map((value, i): FoundEntry => {
    const named = isObject(value)
      ? textOf(value.name) ?? textOf(value.id) ?? textOf(value.serverName)
      : undefined;
    return { title: named, path: [...path, i], value };
  });
  return { path, dialect, entries };
}

/** Lists of names beside the servers: those that are not used, and the only ones that are. */
const OFF_LISTS = [["mcp", "excluded"], ["disabledMcpServers"], ["disabledMcpjsonServers"]];
const ON_LISTS = [["mcp", "allowed"]];

/** The list of names beside the servers that switches `title` off, as `mcp.excluded` in Gemini's settings. */
export function switchedOffBy(document: JsonObject, title: string): string | undefined {
  const named = (path: readonly string[]) => {
    const list = valueAt(document, path);
    return Array.isArray(list) ? list.includes(title) : undefined;
  };
  const off = OFF_LISTS.find((path) => named(path) === true) ??
    ON_LISTS.find((path) => named(path) === false);
  return off?.join(".");
}
