import { dirname } from "@std/path/dirname";
import { messageOf } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { closeMatches } from "../base/suggest.ts";
import { fill, variablesIn } from "../base/template.ts";
import { quoteForShell } from "../base/text.ts";
import type { ConfigFault } from "./config_fault.ts";
import { type JsonDocument, parseDocument } from "./json_document.ts";
import { readRegularFile } from "./regular_file.ts";
import { FILE_KEYS, fileKey, SETTING_ENTRIES, type SettingName } from "./setting_keys.ts";
import { readValue } from "./setting_values.ts";
import { type Setting, SETTINGS } from "./settings.ts";
import { readSecretCommands, type SecretCommand, type SecretReader } from "./secrets.ts";
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
  /** Programs that print secrets, by the names of these. */
  secrets: ReadonlyMap<string, SecretCommand>;
  /** Whether values were left out that name secrets, as no secrets could be read. */
  awaitsSecrets: boolean;
}

const SCHEMA_KEY = "$schema";

/** The key of the programs that print secrets. */
export const SECRETS_KEY = "secrets";

/**
 * Reads `exai.json` at `path` (docs/settings.md). A missing or empty file says nothing. Faults are part of the result.
 *
 * @param env values of the variables in the file
 * @param secrets gives the secrets in it; left out: values that name one are left out, too
 */
export async function readSettingsFile(
  path: string,
  env: VariableSources["env"],
  secrets?: SecretReader,
): Promise<SettingsFile> {
  const file: SettingsFile = {
    path,
    values: new Map(),
    faults: [],
    warnings: [],
    isBlank: false,
    secrets: new Map(),
    awaitsSecrets: false,
  };
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
  const expander = new Expander({ env, configDir: dirname(path), secrets });
  await new SettingsReader(file, { document, expander, hasSecrets: secrets !== undefined }).read();
  return file;
}

/** What a {@linkcode SettingsReader} reads. */
interface SettingsText {
  document: JsonDocument;
  expander: Expander;
  /** Whether the expander can fill in secrets. */
  hasSecrets: boolean;
}

/** Whether a text names a secret. */
function namesSecret(text: Json): boolean {
  return typeof text === "string" && variablesIn(text).some((name) => name.startsWith("secret:"));
}

class SettingsReader {
  readonly #file: SettingsFile;
  readonly #document: JsonDocument;
  readonly #expander: Expander;
  readonly #hasSecrets: boolean;

  constructor(file: SettingsFile, { document, expander, hasSecrets }: SettingsText) {
    this.#file = file;
    this.#document = document;
    this.#expander = expander;
    this.#hasSecrets = hasSecrets;
  }

  async read(): Promise<void> {
    const { value, repeatedKeys } = this.#document;
    for (const key of repeatedKeys([])) this.#report("faults", key, "stands twice; delete one of them");
    for (const [key, given] of Object.entries(value)) {
      if (key === SCHEMA_KEY) continue;
      if (key === SECRETS_KEY) {
        this.#file.secrets = await this.#readSecrets(given as Json);
        continue;
      }
      const name = FILE_KEYS.get(key);
      if (name === undefined) this.#report("faults", key, adviceOnKey(key));
      else await this.#readSetting(key, name, given as Json);
    }
  }

  async #readSetting(key: string, name: SettingName, given: Json): Promise<void> {
    const setting: Setting = SETTINGS[name];
    if (namesSecret(given)) return await this.#readSecretSetting(key, name, given as string);
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

  /**
   * A value that names a secret. One that cannot be had counts as not set: a keychain that is locked must not keep the
   * daemon from starting.
   */
  async #readSecretSetting(key: string, name: SettingName, given: string): Promise<void> {
    const setting: Setting = SETTINGS[name];
    if (!setting.secret || setting.programs.includes("shim")) {
      const why = setting.secret ? "the shim of every window reads it" : "it is shown as it is";
      return this.#report("faults", key, `cannot be a secret, as ${why}; only keys of models can`);
    }
    this.#file.awaitsSecrets ||= !this.#hasSecrets;
    if (!this.#hasSecrets) return;
    try {
      const read = readValue(setting, await this.#expand(given));
      if (read.kind === "fault") return this.#report("faults", key, read.message);
      this.#file.values.set(name, read.text);
    } catch (thrown) {
      if (!(thrown instanceof VariableFault)) throw thrown;
      this.#report("warnings", key, `${thrown.message}; it counts as not set`);
    }
  }

  async #readSecrets(given: Json): Promise<ReadonlyMap<string, SecretCommand>> {
    return await readSecretCommands(given, {
      report: (path, message) => this.#report("faults", [SECRETS_KEY, ...path].join("."), message),
      expand: async (path, text) => {
        try {
          if (namesSecret(text)) {
            throw new VariableFault("names a secret; a program that gives one cannot need one");
          }
          return this.#expander.expandHome(await this.#expand(text));
        } catch (thrown) {
          if (!(thrown instanceof VariableFault)) throw thrown;
          this.#report("faults", [SECRETS_KEY, ...path].join("."), thrown.message);
          return undefined;
        }
      },
    });
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
