import { isObject, type Json, type JsonObject, textOf } from "../../base/json.ts";
import { visible } from "../../base/visible.ts";
import { type ConfigFault, formatFault, readServers } from "../../config/servers.ts";
import type { ServerConfig } from "../../config/server_config.ts";
import { redactSecrets } from "../../observe/redaction.ts";
import type { Action, CommandResult, Invocation } from "../command.ts";
import { formatTable, MAX_ERROR_CHARS } from "../table.ts";
import { type NamedEntry, ServerFile } from "./server_file.ts";

export const listServers: Action = {
  summary: "List the servers of mcp.json: what each starts, and whether its entry is in order",
  forms: [{ args: "", does: "every server of the file; `exai-daemon ps` shows what runs" }],
  run: list,
};

interface ListedServer extends JsonObject {
  server: string;
  state: "enabled" | "disabled" | "faulty";
  /** How it is reached. */
  kind: string;
  /** The command line or URL, without secrets. */
  what: string;
  share?: string;
  faults?: string[];
}

/** Reads the file alone: neither the daemon nor a server is started. */
async function list({ settings }: Invocation): Promise<CommandResult> {
  const file = await ServerFile.open(settings);
  const { servers, faults, warnings } = await readServers(file.path, { ownPort: settings.port || undefined });
  const rows = file.entries.map((entry) => describe(entry, { servers, faults }));
  const notes = [
    ...faults.map((fault) => visible(formatFault(fault), MAX_ERROR_CHARS)),
    ...warnings.map((warning) => `warning: ${visible(formatFault(warning), MAX_ERROR_CHARS)}`),
  ];
  const table = rows.length === 0
    ? `${file.path} names no server; exai-daemon servers add NAME COMMAND adds one`
    : formatTable(["SERVER", "STATE", "KIND", "SHARE", "WHAT IT STARTS"], rows.map(rowOf));
  return {
    text: [table, ...notes].join("\n\n"),
    json: {
      path: file.path,
      servers: rows,
      faults: faults.map(formatFault),
      warnings: warnings.map(formatFault),
    },
  };
}

function rowOf({ server, state, kind, share, what }: ListedServer): unknown[] {
  return [server, state, kind, share, what];
}

function describe(
  { title, value }: NamedEntry,
  { servers, faults }: { servers: ReadonlyMap<string, ServerConfig>; faults: readonly ConfigFault[] },
): ListedServer {
  const own = faults.filter(({ server }) => server === title);
  const config = [...servers.values()].find((config) => config.title === title);
  const state = own.length > 0 ? "faulty" : config ? "enabled" : "disabled";
  return {
    server: title,
    state,
    kind: config?.kind ?? kindOf(value),
    what: redactSecrets(whatOf(value)),
    share: config?.share,
    ...(own.length > 0 ? { faults: own.map(formatFault) } : {}),
  };
}

function kindOf(entry: Json): string {
  return isObject(entry) && urlOf(entry) !== undefined ? "http" : "stdio";
}

/** As the entry has it: variables stay, and no value of one is shown. */
function whatOf(entry: Json): string {
  if (!isObject(entry)) return "";
  const url = urlOf(entry);
  if (url !== undefined) return url;
  const words = [entry.command ?? entry.cmd, entry.args].flat().filter((word) => typeof word === "string");
  return words.map((word) => /\s/.test(word) && words.length > 1 ? JSON.stringify(word) : word).join(" ");
}

function urlOf({ url, httpUrl, serverUrl }: JsonObject): string | undefined {
  return textOf(url) ?? textOf(httpUrl) ?? textOf(serverUrl);
}
