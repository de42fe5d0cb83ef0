import { dirname } from "@std/path";
import { messageOf } from "../base/errors.ts";
import { isObject, type JsonObject, textOf } from "../base/json.ts";
import { decodeText } from "../base/text_encoding.ts";
import { readClients } from "./servers/client_entries.ts";
import { parseDocument } from "./json_document.ts";
import type { EntryContext } from "./servers/expand_entry.ts";
import { type ServersFile, ServersReader } from "./servers/servers_reader.ts";
import { whyNoJson } from "./servers/shapes/other_syntax.ts";
import { Expander, type VariableSources } from "./variables.ts";
import { readRegularBytes } from "./regular_file.ts";
import { secretsNamedIn } from "./secrets.ts";
import { whyUntrusted } from "./trust.ts";

export { type ConfigFault, formatFault } from "./config_fault.ts";
export { findSections, type FoundEntry, isComment, switchedOffBy } from "./servers/shapes/sections.ts";
export { serversJsonSchema } from "./servers/keys.ts";
export { catalogName } from "./servers/names.ts";
export { OWN_SERVER_NAME, type ServersFile } from "./servers/servers_reader.ts";

/** Where variables in the file get their values from; the defaults are the process's own. */
export type ServersOptions =
  & Partial<Pick<VariableSources, "env" | "loginEnv" | "secrets">>
  & Pick<EntryContext, "ownPort">;

/**
 * Reads the mounted servers from the file at `path` (docs/servers.md). A missing file holds none. Faults are
 * part of the answer: one faulty server never hides the others.
 */
export async function readServers(path: string, options: ServersOptions = {}): Promise<ServersFile> {
  const distrust = whyUntrusted(path);
  if (distrust !== undefined) {
    const message = `is not used, since its commands would run with your rights: ${distrust}`;
    return { ...emptyFile(), readable: false, faults: [{ path, message }] };
  }
  try {
    const { text, encoding } = decodeText(await readRegularBytes(path));
    const file = await parseServers(text, path, options);
    if (encoding === "windows-1252") {
      const message = "is no UTF-8 and was read as Windows-1252; save it as UTF-8";
      file.warnings.push({ path, message });
    }
    return file;
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return { ...emptyFile(), isBlank: true };
    const reason = thrown instanceof Deno.errors.PermissionDenied
      ? "this user may not read it"
      : messageOf(thrown);
    return { ...emptyFile(), readable: false, faults: [{ path, message: `cannot be read: ${reason}` }] };
  }
}

function emptyFile(): ServersFile {
  return {
    servers: new Map(),
    disabled: [],
    faulty: [],
    clients: [],
    clientsFaulty: false,
    faults: [],
    warnings: [],
    readable: true,
    isBlank: false,
  };
}

/** As {@linkcode readServers} of a text that is to be written to `path`. */
export async function readServersText(
  text: string,
  path: string,
  options: ServersOptions = {},
): Promise<ServersFile> {
  return await parseServers(text, path, options);
}

async function parseServers(text: string, path: string, options: ServersOptions): Promise<ServersFile> {
  const file = { ...emptyFile(), isBlank: text.trim() === "" };
  const document = parseDocument(text);
  if ("reason" in document) {
    const { line, column } = document;
    const message = whyNoJson(text) ?? document.reason;
    return { ...file, readable: false, faults: [{ path, line, column, message }] };
  }
  const { secrets = "hidden" } = options;
  // All at once: a program that gives one may take a second.
  if (secrets !== "hidden") await Promise.allSettled(secretsNamedIn(text).map((name) => secrets.read(name)));
  const expander = new Expander({
    env: options.env ?? Deno.env.toObject(),
    loginEnv: options.loginEnv,
    secrets,
    configDir: dirname(path),
    inputs: inputsOf(document.value),
  });
  const reader = new ServersReader(file, { path, document, expander, ownPort: options.ownPort });
  reader.checkSections();
  reader.checkPrefix();
  await reader.readSections();
  reader.checkAccounts();
  reader.checkSecrets();
  const { clients, faults } = readClients(document, path);
  Object.assign(file, { clients, clientsFaulty: faults.length > 0 });
  file.faults.push(...faults);
  return file;
}

/** The ids of the values that VS Code asks its user for. */
function inputsOf({ inputs }: JsonObject): string[] {
  return Array.isArray(inputs) ? inputs.flatMap((input) => (isObject(input) && textOf(input.id)) || []) : [];
}
