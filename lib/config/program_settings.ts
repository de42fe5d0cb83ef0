import { ExaiError } from "../base/errors.ts";
import { type ConfigFault, formatFault } from "./config_fault.ts";
import {
  type GivenSettings,
  type LoadedSettings,
  readGiven,
  settingsDespiteFaults,
  type SettingSources,
  settingsWithFile,
} from "./load.ts";
import type { SecretCommand, SecretReader } from "./secrets.ts";
import { readSettingsFile, type SettingsFile } from "./settings_file.ts";
import { settingsPath } from "./window_settings.ts";

/** The settings of `exai-daemon` and what is wrong with `exai.json`. */
export interface ProgramSettings extends LoadedSettings, SettingsFaults {
  /** Whether the token `auto` is set only by the file of a generated token. */
  isTokenKept: boolean;
}

/** What is wrong with the sources of settings. */
export interface SettingsFaults {
  /** Of `exai.json`. */
  file: Omit<SettingsFile, "values">;
  /** Of the others; none where they are thrown. */
  faults: readonly string[];
}

/** Where secrets are had from: programs that `exai.json` names, before what is kept. */
export interface ConfiguredSecrets extends SecretReader {
  /** The programs, by the names of the secrets they print. */
  commands: ReadonlyMap<string, SecretCommand>;
}

/** Where `exai-daemon` has its settings from; the file can be read again while the program runs. */
export class SettingsLoader {
  /** Where secrets are had from; undefined: values that name one are left out. */
  secrets: ConfiguredSecrets | undefined;
  readonly #given: GivenSettings;

  constructor(sources: SettingSources) {
    this.#given = readGiven(sources);
  }

  /** The words of the command line. */
  get words(): readonly string[] {
    return this.#given.words;
  }

  /** The path of `exai.json`. */
  get path(): string {
    return settingsPath(this.#given);
  }

  /**
   * Reads `exai.json` and resolves every setting; values with a fault count as not set.
   *
   * @throws {ExaiError} `CONFIG`, one line per fault of the other sources
   */
  async read(): Promise<ProgramSettings> {
    const { values, ...file } = await this.#readFile();
    return { ...settingsWithFile(this.#given, values), file, faults: [] };
  }

  /** As {@linkcode read}, with the faults of the other sources in place of an error. */
  async readDespiteFaults(): Promise<ProgramSettings> {
    const { values, ...file } = await this.#readFile();
    return { ...settingsDespiteFaults(this.#given, values), file };
  }

  async #readFile(): Promise<SettingsFile> {
    const file = await readSettingsFile(this.path, this.#given.env);
    if (!this.secrets) return file;
    if (file.faults.length === 0) this.secrets.commands = file.secrets;
    return file.awaitsSecrets ? await readSettingsFile(this.path, this.#given.env, this.secrets) : file;
  }
}

/** `exai.json` has faults, and the program does not start with a part of it. */
export class SettingsFileError extends ExaiError {
  constructor(faults: readonly ConfigFault[]) {
    super("CONFIG", faults.map(formatFault).join("\n"));
  }
}
