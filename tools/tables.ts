import { CLIENTS } from "../lib/adopt/clients.ts";
import { ERROR_CODES, type ErrorCode } from "../lib/base/errors.ts";
import { commandSections, commandsTable, exitCodesTable } from "./command_tables.ts";
import { code, markdownTable } from "./markdown.ts";
import { shownDefault } from "../lib/config/help.ts";
import { KNOWN_SERVERS, TELLING_WORDS } from "../lib/config/known_servers.ts";
import { CLIENT_KEYS } from "../lib/config/servers/client_entries.ts";
import { OWN_KEYS } from "../lib/config/servers/keys.ts";
import { ACCOUNT_KEYS, OAUTH_KEYS, SIGN_IN_KEYS } from "../lib/config/servers/sign_in_keys.ts";
import { keyInFile } from "../lib/config/setting_keys.ts";
import { type Setting, SETTING_TOPICS } from "../lib/config/settings.ts";
import { CHECKS } from "../lib/doctor/checks.ts";
import { CLOSE, CODES } from "../lib/wire/codes.ts";
import { ERA_TABLES } from "./era_tables.ts";
import { plantedTable, promptsTable } from "./prompt_tables.ts";
import { type Room, ROOMS } from "./rooms.ts";
import { agentRows, clinkKeyRows } from "./agent_tables.ts";
import { modelFieldRows, stepFieldRows, toolRows } from "./tool_tables.ts";

/** The generated parts of docs/, by the name their markers carry. */
export const TABLES: Readonly<Record<string, () => string>> = {
  settings: settingsTable,
  agents: () =>
    markdownTable(
      ["agent", "started as", "what lets it do no more than read", "variables it gets"],
      agentRows(),
    ),
  "clink keys": () => markdownTable(["key", "in", "allowed", "what it is"], clinkKeyRows()),
  "server keys": () => keysTable(OWN_KEYS),
  "client keys": () => keysTable(CLIENT_KEYS),
  "login keys": () => keysTable(SIGN_IN_KEYS),
  "oauth keys": () => keysTable(OAUTH_KEYS),
  "account keys": () => keysTable(ACCOUNT_KEYS),
  tools: () => markdownTable(["tool", "what it is for", "fields of its own", "works in, asks"], toolRows()),
  "step fields": () => markdownTable(["field", "type", "what it is"], stepFieldRows()),
  "model fields": () => markdownTable(["field", "type", "what it is"], modelFieldRows()),
  "adopted clients": adoptedClientsTable,
  commands: commandsTable,
  "command sections": commandSections,
  "exit codes": exitCodesTable,
  "doctor checks": () =>
    markdownTable(
      ["check", "what it looks for"],
      Object.entries(CHECKS).map(([name, { looksFor }]) => [code(name), looksFor]),
    ),
  rooms: roomsTable,
  prompts: promptsTable,
  "planted repositories": plantedTable,
  "known servers": knownServersTable,
  "telling words": tellingWordsTable,
  "close codes": closeCodesTable,
  "error codes": errorCodesTable,
  ...ERA_TABLES,
};

function settingsTable(): string {
  return Object.entries(SETTING_TOPICS)
    .map(([topic, settings]) => `## ${topic}\n\n${topicTable(Object.values<Setting>(settings))}`).join("\n");
}

function topicTable(settings: readonly Setting[]): string {
  const rows = settings.map((setting) => [
    code(setting.env),
    code(`--${setting.flag}`),
    code(keyInFile(setting) ?? ""),
    code(shownDefault(setting)),
    setting.allowed,
    setting.help,
    setting.programs.join(", "),
  ]);
  return markdownTable([
    "variable",
    "flag",
    "key in exai.json",
    "default",
    "allowed",
    "what it does",
    "read by",
  ], rows);
}

function adoptedClientsTable(): string {
  const systems = { linux: "Linux", darwin: "macOS", windows: "Windows" };
  const rows = CLIENTS.map(({ id, title, files }) => [
    title,
    code(id),
    files.map(({ path, on }) =>
      code(shownPlace(path)) + (on ? ` (${on.map((system) => systems[system]).join(", ")})` : "")
    ).join("<br>"),
  ]);
  return markdownTable(["client", "id", "files"], rows);
}

/** A path of the table of clients, with directories as people know them. */
function shownPlace(path: string): string {
  const places: Readonly<Record<string, string>> = {
    home: "~",
    project: "PROJECT",
    config: "~/.config",
    data: "APPDATA",
    local: "LOCALAPPDATA",
    claude: "~/.claude",
    claudeState: "~/.claude.json",
    codex: "~/.codex",
    gemini: "~/.gemini",
    copilot: "~/.copilot",
    opencode: "~/.config/opencode",
  };
  return path.replace(/^\{(\w+)\}/, (_, name: string) => places[name] ?? name);
}

type Keys = Readonly<Record<string, { allowed: string; help: string }>>;

function keysTable(keys: Keys): string {
  const rows = Object.entries(keys).map(([key, { allowed, help }]) => [code(key), allowed, help]);
  return markdownTable(["key", "allowed", "what it does"], rows);
}

const SHARED_BY = { machine: "all windows", project: "one directory", session: "one window" };

function knownServersTable(): string {
  return Object.entries(SHARED_BY).map(([share, by]) => {
    const rows = KNOWN_SERVERS.filter((server) => server.share === share)
      .toSorted((a, b) => a.title.localeCompare(b.title, "en"))
      .map(({ title, why, basis, exclusive, npm, pypi, image, program, repo, host }) => {
        const names = [npm, pypi, image, program, repo, host].flatMap((list) => list ?? []);
        const known = basis === "code" ? "yes" : "";
        return [exclusive ? `${title} (exclusive)` : title, names.map(code).join(", "), why, known];
      });
    return `## One process for ${by}\n\n${markdownTable(["server", "names", "why", "read in code"], rows)}`;
  }).join("\n");
}

function tellingWordsTable(): string {
  const rows = TELLING_WORDS.map(({ share, why, words, isExact }) => [
    words.map(code).join(", ") + (isExact ? " (the whole name)" : ""),
    code(share),
    why,
  ]);
  return markdownTable(["words", "share", "why"], rows);
}

function roomsTable(): string {
  const everywhere = Object.keys(ROOMS);
  const imports = (name: string, { mayImport }: Room) => {
    const others = everywhere.filter((other) => other !== name);
    if (mayImport.length === 0) return "nothing";
    return others.every((other) => mayImport.includes(other)) ? "any room" : mayImport.map(code).join(", ");
  };
  const rows = Object.entries(ROOMS).map(([name, room]) => [
    code(name),
    room.holds,
    imports(name, room),
    room.outsideWorld ? "yes" : "",
  ]);
  return markdownTable(["room", "holds", "may import", "touches the outside world"], rows);
}

const CLOSE_MEANINGS: Readonly<Record<keyof typeof CLOSE, string>> = {
  goingAway:
    "the daemon stops, or the session, which cannot be resumed, was idle for longer than `EXAI_SESSION_IDLE`",
  frameTooLarge: "a message was larger than `EXAI_WS_MAX_BYTES`",
  internal: "a fault in the daemon; its log says more",
  invalidHello: "the hello, challenge or request has a field of the wrong kind",
  helloExpected: "the first frame is not a hello, a challenge or a request, or a second challenge came",
  helloTimedOut: "no hello within `EXAI_WS_HELLO_TIMEOUT`",
  unauthorized: "the token or its proof is missing or wrong",
  sessionReplaced: "the client has taken its session over with a newer connection",
  tooSlowReader: "the client left more than `EXAI_WS_MAX_QUEUED_BYTES` unread",
  overCapacity:
    "too many connections, connections without a hello, or wrong tokens or hellos: `EXAI_WS_MAX_CONNECTIONS`, `EXAI_WS_MAX_PENDING`, `EXAI_WS_HELLO_RATE`; or more was sent at once than the daemon may hold for all clients: `EXAI_MAX_HELD_BYTES`; what was waiting of it has not run",
};

function closeCodesTable(): string {
  const names = Object.keys(CLOSE) as (keyof typeof CLOSE)[];
  return markdownTable(
    ["close code", "meaning"],
    names.map((name) => [`${CLOSE[name]}`, CLOSE_MEANINGS[name]]),
  );
}

const ERROR_MEANINGS: Readonly<Record<ErrorCode, string>> = {
  PARSE_ERROR: "the text is no JSON",
  INVALID_REQUEST: "the message is not one of the protocol, or its id is in use",
  INVALID_PARAMS: "a parameter is missing, unknown or of the wrong kind",
  METHOD_NOT_FOUND: "there is no such MCP method here",
  UNKNOWN_OP: "there is no such op",
  TOOL_NOT_FOUND: "there is no such tool",
  HEADER_MISMATCH: "HTTP headers of the request do not match its body",
  MISSING_CAPABILITY: "the request needs a capability that its client has not declared",
  UNSUPPORTED_REVISION: "the request is of an MCP revision that is not supported",
  RESOURCE_NOT_FOUND: "there is no such resource or path",
  UNAUTHORIZED: "the token is missing or wrong",
  FORBIDDEN: "the Host or the Origin is not allowed",
  OVER_CAPACITY: "too many calls wait already; `retry_after_ms` says when to ask again",
  TIMEOUT: "the call took too long and was stopped",
  CANCELLED: "the caller cancelled the call, or went away",
  TOO_LARGE: "the answer does not fit in one message",
  UPSTREAM_UNAVAILABLE: "the server behind the tool cannot be reached or started",
  LOGIN_REQUIRED: "the server wants an account to be signed in; the message says where",
  OUTCOME_UNKNOWN: "the call may or may not have run; look before calling again",
  DAEMON_UNAVAILABLE: "the shim cannot reach a daemon",
  SHUTTING_DOWN: "the daemon is stopping and takes no new calls",
  CONFIG: "a setting or the state directory cannot be used",
  INTERNAL: "a fault in the daemon or in a tool; the log says more",
};

function errorCodesTable(): string {
  const rows = ERROR_CODES.map((name) => [
    code(name),
    `${CODES[name].rpc}`,
    `${CODES[name].formerly ?? ""}`,
    `${CODES[name].http}`,
    ERROR_MEANINGS[name],
  ]);
  return markdownTable(["code", "JSON-RPC", "before", "HTTP", "meaning"], rows);
}
