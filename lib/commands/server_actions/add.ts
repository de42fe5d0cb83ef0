import { ExaiError, messageOf, UsageError } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import { quoteName } from "../../base/text.ts";
import { catalogName, formatFault, OWN_SERVER_NAME, readServersText } from "../../config/servers.ts";
import type { Settings } from "../../config/settings.ts";
import { type Action, type CommandResult, type Invocation } from "../command.ts";
import { changeServers, reloadDaemon, type ServerFile } from "./server_file.ts";

export const addServer: Action = {
  summary: "Write a server into mcp.json, in place",
  about: [
    "What follows the command is its own, flags too: they go before NAME. `--` before the command may be left out. A file " +
    "with comments keeps them.",
  ],
  forms: [
    { args: "NAME COMMAND [ARG...]", does: "adds a server that runs as a program" },
    { args: "NAME URL", does: "adds a server behind a URL" },
    {
      args: "NAME JSON",
      does: 'adds an entry as clients write it, such as `{"command": "npx", "args": [...]}`',
    },
  ],
  flags: [
    { name: "env", value: "NAME=VALUE", help: "A variable of the program; may be given several times" },
    {
      name: "header",
      value: "NAME: VALUE",
      help: "An HTTP header of a server behind a URL; may be given several times",
    },
    { name: "cwd", value: "DIR", help: "The directory the program starts in, in place of the window's" },
    {
      name: "share",
      value: "SCOPE",
      completions: ["auto", "machine", "project", "window", "session"],
      help: "Who shares one process: auto, machine, project, window or session",
    },
    {
      name: "type",
      value: "TYPE",
      completions: ["http", "sse"],
      help: "How a URL is spoken with, http or sse; not given: http, then sse",
    },
    { name: "disabled", help: "Leave it switched off for now" },
    { name: "force", help: "Replace the entry of that name" },
  ],
  wordsBeforeCommand: 1,
  run: add,
};

/**
 * @throws {UsageError} for a command line that describes no entry
 * @throws {ExaiError} `CONFIG` for an entry with a fault, or a name that is taken; nothing is written then
 */
async function add(invocation: Invocation): Promise<CommandResult> {
  const { args: [name = "", ...words], settings, switches } = invocation;
  checkName(name);
  const entry = entryOf(words, invocation);
  const { path, isReplaced, warnings } = await changeServers(settings, async (file) => {
    const isReplaced = file.has(name);
    if (isReplaced && !switches.has("force")) throw taken(name, file);
    const text = file.edited([placeOf(file, { name, entry, isReplaced })]);
    const warnings = await checkEntry(text, { name, path: file.path, settings });
    await file.replace(text);
    return { path: file.path, isReplaced, warnings: [...warnings, ...flagsBehind(entry)] };
  });
  const { isRunning, fault } = await reloadDaemon(settings);
  if (fault !== undefined) warnings.push(fault);
  const lines = [
    `${isReplaced ? `replaced ${name} in` : `added ${name} to`} ${path}`,
    ...warnings.map((warning) => `warning: ${warning}`),
    isRunning ? "The running daemon has it." : "The next daemon has it.",
    `exai-daemon servers test ${name} says whether it answers`,
  ];
  return {
    text: lines.join("\n"),
    json: { server: name, path, replaced: isReplaced, entry, warnings, daemon_runs: isRunning },
  };
}

function taken(name: string, { path }: ServerFile): ExaiError {
  return new ExaiError(
    "CONFIG",
    `${path} has a server ${
      quoteName(name)
    } already; --force replaces it, exai-daemon servers remove takes it out`,
  );
}

/** Flags that most likely were meant for `servers add`, and not for the server's own command. */
function flagsBehind({ args }: JsonObject): string[] {
  const own = (addServer.flags ?? []).map(({ name }) => `--${name}`);
  const behind = (Array.isArray(args) ? args : []).map((arg) => String(arg).split("=", 1)[0]!)
    .filter((flag) => own.includes(flag));
  return [...new Set(behind)].map((flag) => `${flag} is given to the server, as it comes after the command`);
}

function checkName(name: string): void {
  if (name === "") throw new UsageError("servers add needs a name, and a command or URL");
  if (catalogName(name) === undefined) {
    throw new UsageError(`${quoteName(name)} is no name for a server; it needs letters or digits`);
  }
  if (catalogName(name) !== OWN_SERVER_NAME) return;
  throw new UsageError(
    `${quoteName(name)} is the name of EXAI's own tools; give the server another`,
  );
}

/** The entry that the command line describes. */
function entryOf(words: readonly string[], { options, switches }: Invocation): JsonObject {
  const [first = "", ...rest] = words;
  const one = (flag: string) => options.get(flag)?.at(-1);
  const common: JsonObject = {
    ...(one("share") === undefined ? {} : { share: one("share") }),
    ...(switches.has("disabled") ? { disabled: true } : {}),
  };
  const env = pairsOf("env", options.get("env"), "=");
  const headers = pairsOf("header", options.get("header"), ":");
  if (first.trimStart().startsWith("{")) return { ...parseEntry(first, rest), ...common };
  if (first === "") {
    throw new UsageError("servers add needs a command, a URL or an entry as JSON after the name");
  }
  // Another scheme than http is a faulty URL, and no program.
  const isUrl = /^[a-z][\w+.-]+:\/\//i.test(first);
  refuseFlags(
    isUrl ? ["env", "cwd"] : ["header", "type"],
    options,
    isUrl ? "a server behind a URL" : "a program",
  );
  if (!isUrl) {
    return {
      command: first,
      ...(rest.length > 0 ? { args: [...rest] } : {}),
      ...(env ? { env } : {}),
      ...(one("cwd") === undefined ? {} : { cwd: one("cwd") }),
      ...common,
    };
  }
  if (rest.length > 0) {
    throw new UsageError(`nothing follows the URL, and ${quoteName(rest[0]!)} does`);
  }
  return {
    ...(one("type") === undefined ? {} : { type: one("type") }),
    url: first,
    ...(headers ? { headers } : {}),
    ...common,
  };
}

function refuseFlags(flags: readonly string[], options: Invocation["options"], what: string): void {
  const given = flags.find((flag) => (options.get(flag) ?? []).length > 0);
  if (given !== undefined) throw new UsageError(`--${given} is of no use to ${what}`);
}

/** `NAME=VALUE` of a flag that may be given several times; undefined: it was not given. */
function pairsOf(flag: string, values: readonly string[] = [], sign: "=" | ":"): JsonObject | undefined {
  const pairs = values.map((value) => {
    const at = value.indexOf(sign);
    if (at > 0) return [value.slice(0, at).trim(), value.slice(at + 1).replace(/^ /, "")] as const;
    const form = sign === "=" ? "NAME=VALUE" : '"NAME: VALUE"';
    throw new UsageError(`--${flag} takes ${form}, and ${quoteName(value)} has no ${sign}`);
  });
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}

function parseEntry(text: string, rest: readonly string[]): JsonObject {
  if (rest.length > 0) {
    throw new UsageError(`nothing follows the entry, and ${quoteName(rest[0]!)} does`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (thrown) {
    throw new UsageError(`the entry is no JSON: ${messageOf(thrown)}; quote it for your shell`);
  }
  throw new UsageError("the entry must be a JSON object");
}

function placeOf(
  file: ServerFile,
  { name, entry, isReplaced }: { name: string; entry: JsonObject; isReplaced: boolean },
) {
  const { path, length, isNull } = file.section;
  if (isReplaced) {
    const old = file.find(file.entries.find(({ title }) => title === name)?.title ?? catalogName(name)!);
    const isItem = typeof old.path.at(-1) === "number";
    return { path: old.path, value: isItem ? { name: old.title, ...entry } : entry };
  }
  if (length !== undefined) return { path: [...path, length], value: { name, ...entry } };
  return isNull ? { path, value: { [name]: entry } } : { path: [...path, name], value: entry };
}

/**
 * What is to be said about the new entry.
 *
 * @throws {ExaiError} `CONFIG` when the daemon would not take it; a variable that is not set can be set later
 */
async function checkEntry(
  text: string,
  { name, path, settings }: { name: string; path: string; settings: Settings },
): Promise<string[]> {
  const { faults, warnings } = await readServersText(text, path, { ownPort: settings.port || undefined });
  const own = faults.filter(({ server }) => server === name);
  const wrong = own.filter(({ unset }) => unset === undefined);
  if (wrong.length > 0) {
    throw new ExaiError(
      "CONFIG",
      wrong.map(({ key = "the entry", message }) => `${key} ${message}`).join("\n"),
    );
  }
  return [...own, ...warnings.filter(({ server }) => server === name)].map(formatFault);
}
