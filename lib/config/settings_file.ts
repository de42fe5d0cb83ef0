import { dirname } from "@std/path/dirname";
import { messageOf } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { closeMatches } from "../base/suggest.ts";
import { fill } from "../base/template.ts";
import { quoteForShell } from "../base/text.ts";
import type { ConfigFault } from "./config_fault.ts";
import { type JsonDocument, parseDocument } from "./json_document.ts";
import { readRegularFile } from "./regular_file.ts";
import { FILE_KEYS, fileKey, SETTING_ENTRIES, type SettingName } from "./setting_keys.ts";
import { readValue } from "./setting_values.ts";
import { type Setting, SETTINGS } from "./settings.ts";
import { othersCanRead, whyUntrusted } from "./trust.ts";
import { Expander, VariableFault, type VariableSources } from "./variables.ts";

/** What `exai.json` says. */
export interface SettingsFile {
  path: string;
  /** The values without a fault, as texts. */
  values: Map<SettingName, string>;
  faults: ConfigFault[];
  /** Harmless, but unlikely to be intended. */
  warnings: ConfigFault[];
  /** Whether the file is missing or empty. */
  isBlank: boolean;
}

const SCHEMA_KEY = "$schema";

/**
 * Reads `exai.json` at `path` (docs/settings.md). A missing or empty file says nothing. Faults are part of the result.
 *
 * @param env values of the variables in the file
 */
export async function readSettingsFile(path: string, env: VariableSources["env"]): Promise<SettingsFile> {
  const file: SettingsFile = { path, values: new Map(), faults: [], warnings: [], isBlank: false };
  const fault = (message: string) => ({ ...file, faults: [{ path, message }] });
  const distrust = whyUntrusted(path);
  if (distrust !== undefined) {
    return fault(`is not used, since its settings would hold with your rights: ${distrust}`);
  }
  let text: string;
  try {
    text = await readRegularFile(path);
  } catch (thrown) {
    return thrown instanceof Deno.errors.NotFound
      ? { ...file, isBlank: true }
      : fault(`cannot be read: ${messageOf(thrown)}`);
  }
  if (text.trim() === "") return { ...file, isBlank: true };
  const document = parseDocument(text);
  if ("reason" in document) {
    const { reason, line, column } = document;
    return { ...file, faults: [{ path, line, column, message: reason }] };
  }
  await new SettingsReader(file, document, new Expander({ env, configDir: dirname(path) })).read();
  return file;
}

class SettingsReader {
  readonly #file: SettingsFile;
  readonly #document: JsonDocument;
  readonly #expander: Expander;

  constructor(file: SettingsFile, document: JsonDocument, expander: Expander) {
    this.#file = file;
    this.#document = document;
    this.#expander = expander;
  }

  async read(): Promise<void> {
    const { value, repeatedKeys } = this.#document;
    for (const key of repeatedKeys([])) this.#report("faults", key, "stands twice; delete one of them");
    for (const [key, given] of Object.entries(value)) {
      if (key === SCHEMA_KEY) continue;
      const name = FILE_KEYS.get(key);
      if (name === undefined) this.#report("faults", key, adviceOnKey(key));
      else await this.#readSetting(key, name, given as Json);
    }
  }

  async #readSetting(key: string, name: SettingName, given: Json): Promise<void> {
    const setting: Setting = SETTINGS[name];
    try {
      const value = typeof given === "string" ? await this.#expand(given) : given;
      const read = readValue(setting, value);
      if (read.kind === "fault") return this.#report("faults", key, read.message);
      this.#file.values.set(name, read.text);
      if (setting.secret && value === given && value !== "" && value !== "auto") this.#checkPrivate(key);
    } catch (thrown) {
      if (!(thrown instanceof VariableFault)) throw thrown;
      this.#report("faults", key, thrown.message);
    }
  }

  async #expand(text: string): Promise<string> {
    return fill(await this.#expander.expand(text), (name) => {
      throw new VariableFault(`holds \${${name}}, which only a window has`);
    });
  }

  #checkPrivate(key: string): void {
    const { path } = this.#file;
    if (othersCanRead(path)) {
      const message = `is a secret that other users can read; chmod 600 ${quoteForShell(path)}`;
      this.#file.warnings.push({
        path,
        ...this.#document.positionOf([key]),
        key,
        message,
        isExposed: true,
      });
    }
  }

  #report(list: "faults" | "warnings", key: string, message: string): void {
    const { path } = this.#file;
    this.#file[list].push({ path, ...this.#document.positionOf([key]), key, message });
  }
}

/** What to write in place of a key that is none: one setting has one key here. */
function adviceOnKey(key: string): string {
  const isMeant = ([name, { env, flag }]: (typeof SETTING_ENTRIES)[number]) =>
    [name, env, flag, fileKey({ flag })].some((one) => one.toLowerCase() === key.toLowerCase());
  const [name, setting] = SETTING_ENTRIES.find(isMeant) ?? [];
  if (setting && FILE_KEYS.get(fileKey(setting)) === name) {
    return `is no key here; the key of ${setting.env} is "${fileKey(setting)}"`;
  }
  if (setting) {
    return `cannot stand here, where settings hold for every window; use the variable ${setting.env} or the flag ` +
      `--${setting.flag}`;
  }
  const close = closeMatches(key, [...FILE_KEYS.keys()]).map((one) => `"${one}"`).join(" or ");
  return close === ""
    ? "is no key here; docs/settings.md lists the keys"
    : `is no key here (did you mean ${close}?)`;
}
