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

/** Where `exai-daemon` has its settings from; the file can be read again while the program runs. */
export class SettingsLoader {
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
    const { values, ...file } = await readSettingsFile(this.path, this.#given.env);
    return { ...settingsWithFile(this.#given, values), file, faults: [] };
  }

  /** As {@linkcode read}, with the faults of the other sources in place of an error. */
  async readDespiteFaults(): Promise<ProgramSettings> {
    const { values, ...file } = await readSettingsFile(this.path, this.#given.env);
    return { ...settingsDespiteFaults(this.#given, values), file };
  }
}

/** `exai.json` has faults, and the program does not start with a part of it. */
export class SettingsFileError extends ExaiError {
  constructor(faults: readonly ConfigFault[]) {
    super("CONFIG", faults.map(formatFault).join("\n"));
  }
}
