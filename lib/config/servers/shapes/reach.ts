import { isObject, type Json, textOf } from "../../../base/json.ts";
import { convertAuthentication } from "./authentication.ts";
import type { EntryDialect, EntryDraft, EntryPath } from "./entry_draft.ts";
import { convertPairs } from "./pairs.ts";
import { convertProgram } from "./program.ts";
import { convertType, isType, kindOfType } from "./server_type.ts";

/** Other clients' names for a key; of two in one entry the first counts. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  command: ["cmd", "program", "executable"],
  args: ["arguments"],
  env: ["environment", "environmentVariables", "environment_variables", "envs"],
  envFile: ["env_file"],
  cwd: ["workingDirectory", "working_directory", "workingDir", "working_dir", "workdir"],
  headers: ["http_headers", "httpHeaders", "customHeaders", "requestHeaders"],
};

const URL_KEYS = [
  "httpUrl",
  "http_url",
  "serverUrl",
  "serverURL",
  "server_url",
  "streamableHttpUrl",
  "uri",
  "endpoint",
  "baseUrl",
  "base_url",
  "sseUrl",
  "sse_url",
];

/** Converts how a server is started or reached. */
export function convertReach(draft: EntryDraft, client: EntryDialect): void {
  draft.rename(ALIASES.command!, "command");
  unwrap(draft);
  for (const [key, aliases] of Object.entries(ALIASES)) draft.rename(aliases, key);
  convertUrl(draft);
  convertCommand(draft);
  dropUnused(draft);
  convertArgs(draft);
  convertProgram(draft);
  convertPairs(draft, "env", "NAME=value");
  convertPairs(draft, "headers", "Name: value");
  convertType(draft);
  convertAuthentication(draft, client);
}

/**
 * Takes the parts of an entry out of the object some clients have them in: Zed's `command: {path, args, env}` and
 * `settings: {url}`, and `transport: {type, url}`.
 */
function unwrap(draft: EntryDraft): void {
  const { command, settings } = draft.entry;
  if (isObject(command) && textOf(command.path) !== undefined) {
    draft.take("command");
    for (const [from, value] of Object.entries(command)) {
      const key = from === "path" ? "command" : from;
      if (value !== null && value !== undefined && draft.entry[key] === undefined) {
        draft.put(key, value, ["command", from]);
      }
    }
  }
  for (const key of ["transport", "settings"]) {
    const part = draft.entry[key];
    if (!isObject(part) || !["url", "command"].some((name) => textOf(part[name]) !== undefined)) continue;
    draft.take(key);
    for (const [name, value] of Object.entries(part)) {
      if (value !== null && value !== undefined && draft.entry[name] === undefined) {
        draft.put(name, value, [key, name]);
      }
    }
  }
  if (draft.entry.source === "extension" || isObject(settings)) nameExtension(draft);
  // Those of an extension of Zed; a server gets its own by arguments and variables.
  draft.take("settings");
  for (const key of ["transportType", "transport_type", "transport"]) {
    const value = draft.entry[key];
    // Elsewhere the word means other things.
    if (isType(value)) draft.rename([key], "type");
    else if (typeof value === "string") draft.take(key);
  }
}

/** A server that is part of an extension of Zed: only Zed knows its command. */
function nameExtension(draft: EntryDraft): void {
  if (draft.first(["command", "url", ...URL_KEYS]) !== undefined) return;
  const message = "names a server of an editor's extension, whose command only that editor knows; " +
    "write command or url, or leave it in the editor";
  draft.note("fault", [draft.first(["source", "settings"])!], message);
}

/** Gemini's `httpUrl` counts before its `url`. */
function convertUrl(draft: EntryDraft): void {
  const { url, httpUrl } = draft.entry;
  if (httpUrl !== undefined && url !== undefined && url !== httpUrl) {
    draft.take("url");
    draft.note("lost", ["url"], "stands beside httpUrl, which counts");
  }
  draft.rename(URL_KEYS, "url");
}

/** What only a server of one kind has: a program, or one behind a URL. */
const PARTS = { program: ["command", "args", "envFile", "cwd"], address: ["url", "headers"] };

/**
 * Leaves out what is empty, or belongs to the other kind: some clients write every key they know. Where the entry has both a
 * command and a URL, `type` says which counts.
 */
function dropUnused(draft: EntryDraft): void {
  for (const [key, other] of [["command", "url"], ["url", "command"]] as const) {
    if (isEmpty(draft.entry[key]) && draft.entry[other] !== undefined) draft.take(key);
  }
  const { command, url } = draft.entry;
  if (command !== undefined && url !== undefined) {
    const kind = kindOfType(draft.entry.type);
    if (kind === undefined) return;
    const [unused] = kind === "stdio" ? PARTS.address : PARTS.program;
    draft.note(
      "lost",
      [unused!],
      `stands beside ${kind === "stdio" ? "command" : "url"}, which counts by type`,
    );
    for (const key of kind === "stdio" ? PARTS.address : PARTS.program) draft.take(key);
  }
  const others = draft.entry.url === undefined ? PARTS.address : PARTS.program;
  for (const key of others) if (key !== "command" && isEmpty(draft.entry[key])) draft.take(key);
}

function isEmpty(value: Json | undefined): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === "" || isObject(value) && Object.keys(value).length === 0;
}

/** A command as an array holds its arguments. */
function convertCommand(draft: EntryDraft): void {
  const { command, args } = draft.entry;
  if (!Array.isArray(command) || typeof command[0] !== "string") return;
  const rest = command.slice(1);
  const whole = draft.sourceOf(["command"]);
  const sources: EntryPath[] = rest.map((_, i) => [...whole, i + 1]);
  draft.put("command", command[0], ["command", 0]);
  if (args !== undefined && !Array.isArray(args)) return;
  const all = [...rest, ...args ?? []];
  if (all.length === 0) return;
  sources.push(...(args ?? []).map((_, i) => draft.sourceOf(["args", i])));
  draft.entry.args = all;
  if (args === undefined) draft.moved(["args"], whole);
  for (const [i, source] of sources.entries()) draft.moved(["args", i], source);
}

/** An argument may be a number, and a single one a text. */
function convertArgs(draft: EntryDraft): void {
  const { args } = draft.entry;
  if (args === "") draft.take("args");
  else if (typeof args === "string" && /\s/.test(args.trim())) {
    const message = 'is one text with spaces; write an array with one argument each: ["-y", "package"]';
    draft.note("fault", ["args"], message);
  } else if (typeof args === "string") draft.entry.args = [args.trim()];
  else if (Array.isArray(args)) draft.entry.args = args.map((arg) => isScalar(arg) ? String(arg) : arg);
}

function isScalar(value: Json | undefined): value is string | number | boolean {
  return ["string", "number", "boolean"].includes(typeof value);
}
