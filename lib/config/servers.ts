import { dirname } from "@std/path";
import { messageOf } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { quoteValue, trimEndOf, trimStartOf } from "../base/text.ts";
import type { ClientToolsConfig, ServerConfig } from "./server_config.ts";
import { readClients } from "./servers/client_entries.ts";
import { type JsonDocument, parseDocument } from "./json_document.ts";
import { type EntryContext, keyOf, readEntry, type Report } from "./servers/entry.ts";
import { Expander, isSecretName, type VariableSources } from "./variables.ts";
import type { ConfigFault } from "./config_fault.ts";
import { meantKey } from "./servers/hints.ts";
import { ALWAYS } from "./servers/keys.ts";
import { readRegularFile } from "./regular_file.ts";
import { othersCanRead, whyUntrusted } from "./trust.ts";

export { type ConfigFault, formatFault } from "./config_fault.ts";
export { findEntries, type FoundEntry } from "./servers/found_entries.ts";
export { serversJsonSchema } from "./servers/keys.ts";

/** Where variables in the file get their values from; the defaults are the process's own. */
export type ServersOptions =
  & Partial<Pick<VariableSources, "env" | "loginEnv">>
  & Pick<EntryContext, "ownPort">;

/** What `mcp.json` says. */
export interface ServersFile {
  /** The servers without a fault, by name. */
  servers: Map<string, ServerConfig>;
  /** Names of the servers that are switched off. */
  disabled: string[];
  /** Names of the servers that could not be read, as far as they have one. */
  faulty: string[];
  /** Which tools clients see. */
  clients: ClientToolsConfig[];
  /** Whether one of their entries has a fault. */
  clientsFaulty: boolean;
  faults: ConfigFault[];
  /** Harmless, but unlikely to be intended. */
  warnings: ConfigFault[];
  /** Whether the file could be read as a whole; when not, it says nothing about any server. */
  readable: boolean;
  /** Whether the file is missing or blank. */
  isBlank: boolean;
}

/** The keys clients use for the object of servers; the first takes precedence. */
const SECTIONS = ["mcpServers", "servers"] as const;

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
    return await parseServers(await readRegularFile(path), path, options);
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
    const { reason, line, column } = document;
    return { ...file, readable: false, faults: [{ path, line, column, message: reason }] };
  }
  const expander = new Expander({
    env: options.env ?? Deno.env.toObject(),
    loginEnv: options.loginEnv,
    configDir: dirname(path),
  });
  const reader = new ServersReader(file, { path, document, expander, ownPort: options.ownPort });
  reader.checkSections();
  reader.checkPrefix();
  for (const section of SECTIONS) await reader.readSection(section);
  reader.checkSecrets();
  const { clients, faults } = readClients(document, path);
  Object.assign(file, { clients, clientsFaulty: faults.length > 0 });
  file.faults.push(...faults);
  return file;
}

interface Source extends Pick<EntryContext, "expander" | "ownPort"> {
  path: string;
  document: JsonDocument;
}

/** The name of EXAI's own tools in the catalog; reserved. */
export const OWN_SERVER_NAME = "exai";

/** Reads one document into a {@linkcode ServersFile}. */
class ServersReader {
  readonly #file: ServersFile;
  readonly #source: Source;
  /** Title by name of each server read so far. */
  readonly #titles = new Map<string, string>();

  constructor(file: ServersFile, source: Source) {
    this.#file = file;
    this.#source = source;
  }

  /** A file with keys but without a section of servers is a fault, not an empty file. */
  checkSections(): void {
    const { path, document: { value, positionOf } } = this.#source;
    const keys = Object.keys(value).filter((key) => key !== "$schema");
    if (keys.length === 0 || SECTIONS.some((section) => section in value)) return;
    if ("clients" in value || "prefix" in value) return;
    const typo = keys.find((key) => meantKey(key, SECTIONS) !== undefined);
    const advice = typo === undefined
      ? `has no mcpServers; allowed: {"mcpServers": {"name": {"command": ...} or {"url": ...}}}`
      : `has ${typo} where mcpServers is meant`;
    this.#file.readable = false;
    this.#file.faults.push({ path, ...positionOf(typo === undefined ? [] : [typo]), message: advice });
  }

  /** `prefix` beside the servers has one value; any other leaves the names as they are without it. */
  checkPrefix(): void {
    const { path, document: { value: { prefix }, positionOf } } = this.#source;
    if (prefix === undefined || prefix === ALWAYS) return;
    const message = `is ${quoteValue(prefix)}; allowed: ${ALWAYS}, or a text in the entry of a server`;
    this.#file.faults.push({ path, ...positionOf(["prefix"]), key: "prefix", message });
  }

  /** A secret in the file itself, and not in a variable, is only as private as the file. */
  checkSecrets(): void {
    const { path, document: { value } } = this.#source;
    const entries = SECTIONS.flatMap((section) =>
      Object.values(isObject(value[section]) ? value[section] : {})
    );
    const named = entries.flatMap((entry) =>
      isObject(entry)
        ? [entry.env, entry.headers].flatMap((part) => isObject(part) ? Object.entries(part) : [])
        : []
    );
    const holdsSecret = named.some(([name, value]) =>
      isSecretName(name) && typeof value === "string" && !value.includes("${")
    );
    if (!holdsSecret || !othersCanRead(path)) return;
    const message = `holds secrets and other users can read it; close it: chmod 600 '${path}'`;
    this.#file.warnings.push({ path, message });
  }

  async readSection(section: typeof SECTIONS[number]): Promise<void> {
    const { path, document } = this.#source;
    const entries = document.value[section];
    if (entries === undefined) return;
    if (!isObject(entries)) {
      const message = `${section} must be an object of servers by name`;
      this.#file.faults.push({ path, ...document.positionOf([section]), message });
      this.#file.readable = false;
      return;
    }
    for (const title of document.repeatedKeys([section])) {
      this.#report("warnings", section, title)([], "stands twice; the last one counts");
    }
    for (const title of Object.keys(entries)) await this.#readServer(section, title, entries);
  }

  async #readServer(section: string, title: string, entries: JsonObject): Promise<void> {
    const fault = this.#report("faults", section, title);
    const faultsBefore = this.#file.faults.length;
    const name = this.#nameOf(title, fault);
    if (name === undefined) return;
    const value = entries[title] ?? null;
    if (isObject(value) && value.disabled === true) {
      this.#file.disabled.push(name);
      return;
    }
    const context: EntryContext = {
      name,
      title,
      expander: this.#source.expander,
      ownPort: this.#source.ownPort,
      isPrefixed: this.#source.document.value.prefix === ALWAYS,
      fault,
      warn: this.#report("warnings", section, title),
    };
    const config = await readEntry(value, context);
    if (config && this.#file.faults.length === faultsBefore) this.#file.servers.set(name, config);
    else this.#file.faulty.push(name);
  }

  #nameOf(title: string, fault: Report): string | undefined {
    const name = catalogName(title);
    const taken = name === undefined ? undefined : this.#titles.get(name);
    if (name === undefined) fault([], "needs a name with letters or digits (A-Z a-z 0-9 _ -)");
    else if (name === OWN_SERVER_NAME) fault([], "has the name of EXAI's own tools; give it another");
    else if (taken === title) {
      this.#report("warnings", "servers", title)([], "stands in mcpServers too; the one there counts");
    } else if (taken !== undefined) {
      fault([], `has the same name as "${taken}" once cleaned (${name}); rename one`);
    } else {
      this.#titles.set(name, title);
      return name;
    }
    return undefined;
  }

  #report(list: "faults" | "warnings", section: string, title: string): Report {
    const { path, document } = this.#source;
    return (keys, message, { unset } = {}) => {
      const position = document.positionOf([section, title, ...keys as (string | number)[]]);
      const fault = { path, ...position, server: title, key: keyOf(keys), message };
      this.#file[list].push(unset === undefined ? fault : { ...fault, unset });
    };
  }
}

const MAX_NAME_CHARS = 64;

/**
 * The name of a server in the catalog and in URLs, made of its name in the file.
 *
 * @returns undefined when that holds no ASCII letter, digit, `_` or `-`
 */
export function catalogName(title: string): string | undefined {
  const name = trimEndOf(trimStartOf(title.replace(/[^A-Za-z0-9_-]+/g, "-"), "-"), "-").slice(
    0,
    MAX_NAME_CHARS,
  );
  return name === "" ? undefined : name;
}
