import { isAbsolute } from "@std/path/is-absolute";
import { join } from "@std/path/join";
import { isObject, type Json, type JsonObject, textOf } from "../base/json.ts";
import { convertEntry, type EntryDialect, type EntryNote } from "../config/entry_shapes.ts";
import { withoutBridge } from "./remote_bridge.ts";
import { signInOf } from "./sign_in.ts";
import { holdsRelativePath } from "../config/workspace_variables.ts";

/** A client's entry as it is for `mcp.json`. */
interface ImportedEntry {
  /** In the keys of `mcp.json`, checked as far as that needs no variables. */
  entry: JsonObject;
  /** The directory of its project, where it means that by relative paths; undefined: it does not. */
  directory: string | undefined;
  isDisabled: boolean;
  /** What is lost or becomes something else, each a sentence. */
  notes: readonly string[];
  /** Values for the user to fill in. */
  asks: readonly AskedValue[];
}

/** A value that a client asks its user for. */
export interface AskedValue {
  id: string;
  /** What the client calls it. */
  title: string;
  /** The file it is to be written into, relative to `mcp.json`. */
  file: string;
}

/** What the file around an entry says of it. */
interface EntrySurroundings {
  dialect: EntryDialect;
  /** The root of the file, where VS Code has its `inputs`. */
  root: Json;
  /** The directory of the project whose entry it is; undefined: of none. */
  project: string | undefined;
}

/** Keys that `mcp.json` has too; what else stands in an entry is for its client. */
const KEPT_KEYS: ReadonlySet<string> = new Set([
  ...["type", "command", "args", "env", "envFile", "cwd", "url", "headers", "disabled"],
  ...["include", "exclude", "callTimeoutMs", "startTimeoutMs"],
  ...["share", "exclusive", "cwdFree", "rename", "prefix", "maxInflight", "detachAfterMs", "idleStopMs"],
  ...["memoryLimitMb", "oauth", "account", "accounts", "headersHelper"],
]);

/** `value`, an entry of a client, for `mcp.json`; a text says why it cannot be taken. */
export function importEntry(value: Json, around: EntrySurroundings): ImportedEntry | string {
  if (!isObject(value)) return "is no object";
  const { entry: converted, notes } = convertEntry(value, around.dialect);
  const fault = notes.find(({ kind }) => kind === "fault");
  if (fault !== undefined) return `${fault.path.join(".") || "it"} ${fault.message}`;
  if (converted.command === undefined && converted.url === undefined) return "has neither command nor url";
  const plugin = notes.find(({ kind, variable }) => kind === "asked" && !variable?.startsWith("input:"));
  if (plugin !== undefined) return `${plugin.path.join(".")} ${plugin.message}`;
  const bridge = withoutBridge(converted);
  const reached = bridge && signInOf(bridge.entry) !== "closed" ? bridge.entry : converted;
  const signIn = signInOf(reached);
  if (signIn === "closed") {
    return "lets only programs sign in that are registered with it; it stays there, unless you register one and write " +
      '"oauth": {"clientId": "…"}, or a token into headers';
  }
  const entry = Object.fromEntries(Object.entries(reached).filter(([key]) => KEPT_KEYS.has(key)));
  if (entry.type === "stdio") delete entry.type;
  const isDisabled = entry.disabled === true;
  delete entry.disabled;
  const asks: AskedValue[] = [];
  const filled = mapTexts(entry, (text) => fillInputs(text, { asks, inputs: inputsOf(around.root) }));
  return {
    entry: withProjectPaths(withoutEmpty(filled as JsonObject), around.project),
    directory: around.project !== undefined && needsDirectory(entry) ? around.project : undefined,
    isDisabled,
    notes: [
      ...notes.filter(({ kind, path }) => kind === "changed" || kind === "lost" && path[0] !== "headers")
        .map(sentenceOf),
      ...bridge && reached === bridge.entry ? bridge.notes : [],
      ...signIn === "open" ? signInNotes(reached, around.dialect) : [],
    ],
    asks: [...new Map(asks.map((ask) => [ask.id, ask])).values()],
  };
}

/** What a person has to do once, in place of each client. */
function signInNotes({ oauth }: JsonObject, dialect: EntryDialect): string[] {
  const isForeign = isObject(oauth) && oauth.clientId !== undefined && oauth.redirectUrl === undefined &&
    oauth.grant !== "client_credentials";
  // Claude Code has it in a keychain of its own.
  const isSecretElsewhere = dialect === "claude-code" && isObject(oauth) && oauth.clientId !== undefined &&
    oauth.clientSecret === undefined;
  return [
    "is signed in to once for all windows: by `exai-daemon auth login`, or where a window needs it",
    ...isForeign
      ? [
        "oauth.clientId was registered for its client: it must be allowed to redirect to http://127.0.0.1/callback too",
      ]
      : [],
    ...isSecretElsewhere
      ? [
        "the secret of oauth.clientId, where it has one, is not in its file: run `exai-daemon secret set NAME`, and " +
        'write "clientSecret": "${secret:NAME}" beside it',
      ]
      : [],
  ];
}

function sentenceOf({ path, message }: EntryNote): string {
  return `${path.join(".")} ${message}`;
}

/** The values that VS Code asks for, by id. */
function inputsOf(root: Json): Map<string, JsonObject> {
  const inputs = isObject(root) && Array.isArray(root.inputs) ? root.inputs : [];
  return new Map(inputs.filter(isObject).map((input) => [String(input.id), input]));
}

interface InputContext {
  asks: AskedValue[];
  inputs: Map<string, JsonObject>;
}

/** An input with a default that is no secret is that; any other becomes a file that holds the value. */
function fillInputs(text: string, { asks, inputs }: InputContext): string {
  return text.replace(/(?<!\$)\$\{input:([\w.-]+)[^{}]*\}/g, (_, id: string) => {
    const input = inputs.get(id);
    const fallback = textOf(input?.default);
    if (fallback !== undefined && fallback !== "" && input?.password !== true) return fallback;
    const file = `secrets/${id.replace(/[^A-Za-z0-9._-]/g, "_")}`;
    asks.push({ id, title: textOf(input?.description) ?? id, file });
    return `\${file:${file}}`;
  });
}

function mapTexts(value: Json, map: (text: string) => string): Json {
  if (typeof value === "string") return map(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, map));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTexts(item ?? null, map)]));
}

/** Programs that fetch what they run, whatever directory they are started in. */
const FETCHERS = /^(?:npx|bunx|uvx|pipx|docker|podman|cmd|wsl)(?:\.(?:exe|cmd))?$/i;

/** Whether what the entry of a project starts depends on the directory of that project. */
function needsDirectory({ command, args, cwd }: JsonObject): boolean {
  if (typeof command !== "string" || cwd !== undefined) return false;
  const words = Array.isArray(args) ? args.filter((arg) => typeof arg === "string") : [];
  if ([command, ...words].some(holdsRelativePath)) return true;
  if (/[/\\]/.test(command)) return !isRooted(command) || RUNNERS.test(baseOf(command)) && isScript(words);
  return !FETCHERS.test(command) && RUNNERS.test(command) && isScript(words);
}

/** Programs whose first argument is a file, or that look for the files of a project. */
const RUNNERS =
  /^(?:node|tsx|ts-node|deno|bun|python[\d.]*|py|php[\d.]*|ruby|perl|bash|sh|uv|poetry|npm|pnpm|yarn|make|just|cargo|go|dotnet|mise|java|docker-compose)(?:\.(?:exe|cmd))?$/i;

function isScript(words: readonly string[]): boolean {
  const first = words.find((word) => !word.startsWith("-") && !/^(?:run|exec|x)$/.test(word));
  return first !== undefined && !isRooted(first);
}

function baseOf(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}

/** Whether a path does not depend on a directory: it is absolute, or begins with a variable. */
function isRooted(path: string): boolean {
  return isAbsolute(path) || /^(?:[$~%]|[A-Za-z]:|\\\\)/.test(path);
}

/** Files and directories beside a project's own file, by their whole path. */
function withProjectPaths(entry: JsonObject, project: string | undefined): JsonObject {
  if (project === undefined) return entry;
  const { cwd, envFile, headersHelper } = entry;
  return {
    ...entry,
    ...(typeof cwd === "string" && !isRooted(cwd) ? { cwd: join(project, cwd) } : {}),
    ...(typeof envFile === "string" && !isRooted(envFile) ? { envFile: join(project, envFile) } : {}),
    ...(headersHelper === undefined ? {} : { headersHelper: helperIn(project, headersHelper) }),
  };
}

/** A helper of a project by its whole path; one of a plain name is looked up on the PATH. */
function helperIn(project: string, helper: Json): Json {
  const inProject = (text: Json) =>
    typeof text === "string" && /^[^\s]*[/\\]/.test(text) && !isRooted(text) ? join(project, text) : text;
  return Array.isArray(helper) ? [inProject(helper[0] ?? ""), ...helper.slice(1)] : inProject(helper);
}

/** `entry` without lists and tables that say nothing. */
function withoutEmpty(entry: JsonObject): JsonObject {
  const isEmpty = (key: string, value: Json | undefined) =>
    ["args", "env", "headers", "exclude"].includes(key) && isObject(value)
      ? Object.keys(value).length === 0
      : key !== "include" && Array.isArray(value) && value.length === 0;
  return Object.fromEntries(Object.entries(entry).filter(([key, value]) => !isEmpty(key, value)));
}
