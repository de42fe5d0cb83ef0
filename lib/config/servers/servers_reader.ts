import { isDeepStrictEqual } from "node:util";
import { isObject, type Json, type JsonObject } from "../../base/json.ts";
import { quoteForShell, quoteValue } from "../../base/text.ts";
import { accountNames, mayBeSignedInTo } from "../account_choice.ts";
import { type ConfigFault, formatKey } from "../config_fault.ts";
import type { JsonDocument } from "../json_document.ts";
import type { ClientToolsConfig, ServerConfig, UrlServerConfig } from "../server_config.ts";
import { othersCanRead } from "../trust.ts";
import { isSecretName } from "../secret_values.ts";
import { faultOfShape, keyOf, readEntry } from "./entry.ts";
import type { EntryContext, Report } from "./expand_entry.ts";
import { meantKey } from "./hints.ts";
import { ALWAYS } from "./keys.ts";
import { catalogName, distinctName } from "./names.ts";
import { convertEntry } from "./shapes/convert_entry.ts";
import type { EntryDialect } from "./shapes/entry_draft.ts";
import {
  findSections,
  type FoundEntry,
  isComment,
  type ServerSection,
  switchedOffBy,
} from "./shapes/sections.ts";

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

interface Source extends Pick<EntryContext, "expander" | "ownPort"> {
  path: string;
  document: JsonDocument;
}

/** The name of EXAI's own tools in the catalog; reserved. */
export const OWN_SERVER_NAME = "exai";

/** Names of the object of servers that a misspelt key is compared with. */
const SECTION_NAMES = ["mcpServers", "servers"];

/** Reads one document into a {@linkcode ServersFile}. */
export class ServersReader {
  readonly #file: ServersFile;
  readonly #source: Source;
  readonly #sections: readonly ServerSection[];
  /** The entry by name of each server read so far. */
  readonly #taken = new Map<string, FoundEntry>();

  constructor(file: ServersFile, source: Source) {
    this.#file = file;
    this.#source = source;
    const { sections, wrong } = findSections(source.document.value);
    this.#sections = sections;
    for (const { path } of wrong) {
      const message = `${formatKey(path)} must be an object of servers by name`;
      file.faults.push({ path: source.path, ...source.document.positionOf(path), message });
      file.readable = false;
    }
  }

  /** A file with keys but without a section of servers is a fault, not an empty file. */
  checkSections(): void {
    const { path, document: { value, positionOf, repeatedKeys } } = this.#source;
    for (const key of repeatedKeys([])) {
      const message = `${key} stands twice; the last one counts, and what the other holds is not read`;
      this.#file.warnings.push({ path, ...positionOf([key]), message });
    }
    const { projects } = value;
    if (isObject(projects) && Object.values(projects).some((project) => holdsServers(project))) {
      const message =
        "holds servers of single directories, which are not read; `exai-daemon adopt` imports them";
      this.#file.warnings.push({ path, ...positionOf(["projects"]), key: "projects", message });
    }
    const keys = Object.keys(value).filter((key) => key !== "$schema");
    if (keys.length === 0 || this.#sections.length > 0 || !this.#file.readable) return;
    if ("clients" in value || "prefix" in value) return;
    const typo = keys.find((key) => meantKey(key, SECTION_NAMES) !== undefined);
    this.#file.readable = false;
    const message = typo === undefined ? adviceOnSections(value) : `has ${typo} where mcpServers is meant`;
    this.#file.faults.push({ path, ...positionOf(typo === undefined ? [] : [typo]), message });
  }

  /** `prefix` beside the servers has one value; any other leaves the names as they are without it. */
  checkPrefix(): void {
    const { path, document: { value: { prefix }, positionOf } } = this.#source;
    if (prefix === undefined || prefix === ALWAYS || this.#sections.some(({ path }) => path.length === 0)) {
      return;
    }
    const message = `is ${quoteValue(prefix)}; allowed: ${ALWAYS}, or a text in the entry of a server`;
    this.#file.faults.push({ path, ...positionOf(["prefix"]), key: "prefix", message });
  }

  /** A secret in the file itself, and not in a variable, is only as private as the file. */
  checkSecrets(): void {
    const { path } = this.#source;
    const entries = this.#sections.flatMap((section) => section.entries.map(({ value }) => value));
    const named = entries.flatMap(namedTexts);
    const holdsSecret = named.some(([name, value]) =>
      isSecretName(name) && typeof value === "string" && !value.includes("${")
    );
    if (!holdsSecret || !othersCanRead(path)) return;
    const message = `holds secrets and other users can read it; close it: chmod 600 ${quoteForShell(path)}`;
    this.#file.warnings.push({ path, message, isExposed: true });
  }

  /**
   * Two entries that sign in to one server as one account in two ways: whichever asked last would decide, and neither
   * would stay signed in.
   */
  checkAccounts(): void {
    const entries = [...this.#taken].flatMap(([name, found]) => {
      const config = this.#file.servers.get(name);
      return config && mayBeSignedInTo(config) ? [{ name, found, config }] : [];
    });
    for (const [i, { name, found, config }] of entries.entries()) {
      const same = entries.slice(0, i).find((other) =>
        isSameAccount(other.config, config) && !isDeepStrictEqual(other.config.oauth, config.oauth)
      );
      if (same === undefined) continue;
      this.#report("faults", found)(
        ["oauth"],
        "is another than in an entry before it with the same url and account; give one of them an account of its own: " +
          `"account": ${JSON.stringify(name)}`,
      );
      this.#file.servers.delete(name);
      this.#file.faulty.push(name);
    }
  }

  async readSections(): Promise<void> {
    for (const { path, entries, dialect } of this.#sections) {
      for (const title of this.#source.document.repeatedKeys(path)) {
        this.#report("warnings", { title, path: [...path, title] })([], "stands twice; the last one counts");
      }
      for (const entry of entries) await this.#readServer(entry, dialect);
    }
  }

  async #readServer(found: FoundEntry, dialect: EntryDialect): Promise<void> {
    const { title = "", value } = found;
    if (isComment(title, value)) return this.#nameComment(found);
    const { document, expander, ownPort } = this.#source;
    const fault = this.#report("faults", found);
    const warn = this.#report("warnings", found);
    const faultsBefore = this.#file.faults.length;
    const name = this.#nameOf(found, fault);
    if (name === undefined) return;
    const converted = isObject(value) ? convertEntry(value, dialect) : undefined;
    const list = switchedOffBy(document.value, title);
    if (converted?.entry.disabled === true || list !== undefined) {
      this.#file.disabled.push(name);
      return;
    }
    for (const key of document.repeatedKeys(found.path)) warn([key], "stands twice; the last one counts");
    const isPrefixed = document.value.prefix === ALWAYS;
    const context: EntryContext = { name, title, expander, ownPort, isPrefixed, fault, warn };
    const config = converted && await readEntry(converted, context);
    if (converted === undefined) fault([], faultOfShape(value));
    if (config && this.#file.faults.length === faultsBefore) this.#file.servers.set(name, config);
    else this.#file.faulty.push(name);
  }

  /** A server that is commented out by its name; a text beside the servers needs no word. */
  #nameComment(found: FoundEntry): void {
    if (!isObject(found.value)) return;
    this.#report("warnings", found)([], "is taken for a comment, by its name; it is no server");
  }

  #nameOf(found: FoundEntry, fault: Report): string | undefined {
    const { title } = found;
    if (title === undefined) {
      fault([], 'needs a name: "name": "…" within it, or an object of servers by name');
      return undefined;
    }
    let name = catalogName(title);
    const before = name === undefined ? undefined : this.#taken.get(name);
    if (before !== undefined && before.title !== title) name = distinctName(title) ?? name;
    const taken = name === undefined ? undefined : this.#taken.get(name);
    if (name === undefined) fault([], "needs a name with letters or digits");
    else if (name === OWN_SERVER_NAME) fault([], "has the name of EXAI's own tools; give it another");
    else if (taken !== undefined && taken.title === title) {
      const place = taken.path.slice(0, -1);
      const where = place.length === 0 ? "the file" : formatKey(place);
      this.#report("warnings", found)([], `stands in ${where} too; the one there counts`);
    } else if (taken !== undefined) {
      fault([], `has the same name as "${taken.title}" once cleaned (${name}); rename one`);
    } else {
      this.#taken.set(name, found);
      return name;
    }
    return undefined;
  }

  #report(list: "faults" | "warnings", { title, path }: Pick<FoundEntry, "title" | "path">): Report {
    const { path: file, document } = this.#source;
    return (keys, message, { unset } = {}) => {
      const position = document.positionOf([...path, ...keys as (string | number)[]]);
      const server = title ?? formatKey(path);
      const fault = { path: file, ...position, server, key: keyOf(keys), message };
      this.#file[list].push(unset === undefined ? fault : { ...fault, unset });
    };
  }
}

/** The texts of an entry that may be secrets, by name. */
function namedTexts(entry: Json): [string, Json | undefined][] {
  if (!isObject(entry)) return [];
  const { env, headers, oauth } = entry;
  const key = isObject(oauth) && isObject(oauth.privateKey) ? { privateKey: oauth.privateKey.pem } : {};
  return [env, headers, oauth, key].flatMap((part) => isObject(part) ? Object.entries(part) : []);
}

function isSameAccount(one: UrlServerConfig, other: UrlServerConfig): boolean {
  const names = new Set(accountNames(other));
  return URL.parse(one.url)?.href === URL.parse(other.url)?.href &&
    accountNames(one).some((name) => names.has(name));
}

/** As in the state file of Claude Code. */
function holdsServers(project: Json | undefined): boolean {
  return isObject(project) && isObject(project.mcpServers) && Object.keys(project.mcpServers).length > 0;
}

function adviceOnSections(value: JsonObject): string {
  const isEntry = ["command", "url"].some((key) => value[key] !== undefined);
  const form = '{"mcpServers": {"name": {"command": ...} or {"url": ...}}}';
  return isEntry ? `is one server without a name; write ${form}` : `has no mcpServers; allowed: ${form}`;
}
