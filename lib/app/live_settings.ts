import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { getLogger } from "@logtape/logtape";
import { type ConfigFault, formatFault } from "../config/config_fault.ts";
import { type ConfigWatch, watchConfig } from "../config/config_watch.ts";
import { goneFault } from "../config/entry_file.ts";
import type { ProgramSettings, SettingsLoader } from "../config/program_settings.ts";
import { fileKey, SETTING_ENTRIES, type SettingName } from "../config/setting_keys.ts";
import { SETTING_TOPICS, type Settings } from "../config/settings.ts";
import { adviceOnUnused, DAEMON_ONLY, settingDigestText } from "../config/unused_settings.ts";
import type { UnusedSettings } from "../session/session.ts";
import type { SettingsOffer } from "../wire/ops.ts";

const log = getLogger(["exai", "config"]);

/** Settings of models that count when the daemon starts: what they say is opened then. */
const AT_START: readonly string[] = [
  "modelsFile",
  "kimiMaxInflight",
  "glmMaxInflight",
  "findLocal",
  "ollamaHost",
] satisfies SettingName[];

const { Models: MODELS, "Choice of models": CHOICE } = SETTING_TOPICS;
const OF_MODELS = [...Object.keys(MODELS), ...Object.keys(CHOICE)] as SettingName[];

/** The settings a running daemon takes over; the others hold from its next start on. */
const LIVE: readonly SettingName[] = [
  "logLevel",
  // Windows opened from now on read the file too, and must get in.
  "token",
  // It may be a secret, and these are read once the daemon runs.
  "otlpHeaders",
  ...OF_MODELS.filter((name) => !AT_START.includes(name)),
];

interface LiveSettingsOptions {
  /** The state directory, which must not be watched. */
  databaseDir: string;
  /** Called when a setting that can change while the daemon runs has changed. */
  onChange(settings: Settings): void;
}

/** What the file says after a reading. */
interface Reading {
  settings: Settings;
  faults: readonly ConfigFault[];
  warnings: readonly ConfigFault[];
  /** Whether the file is missing or says nothing. */
  isBlank: boolean;
}

/** The settings in force, kept up to date with `exai.json`. */
export class LiveSettings implements AsyncDisposable {
  readonly path: string;
  readonly #onChange: (settings: Settings) => void;
  #current: Settings;
  #watch: ConfigWatch<Reading> | undefined;

  private constructor(settings: Settings, path: string, { onChange }: LiveSettingsOptions) {
    this.#current = settings;
    this.path = path;
    this.#onChange = onChange;
  }

  /** @param started what the daemon was started with */
  static async open(
    reader: SettingsLoader,
    started: ProgramSettings,
    options: LiveSettingsOptions,
  ): Promise<LiveSettings> {
    const live = new LiveSettings(started.settings, reader.path, options);
    live.#watch = await watchConfig<Reading>(reader.path, {
      read: async (_path, before) => keepGood(before, await reader.read()),
      initial: { settings: started.settings, ...started.file },
      onChange: (reading) => live.#apply(reading),
      databaseDir: options.databaseDir,
    });
    live.#apply(live.#watch.current);
    return live;
  }

  get current(): Settings {
    return this.#current;
  }

  /** Faults of the file, each in a sentence. */
  faults(): string[] {
    return this.#watch?.current.faults.map(formatFault) ?? [];
  }

  /** What the file says that is not in force yet, or hardly meant, each in a sentence. */
  notes(): string[] {
    const waiting = SETTING_ENTRIES.flatMap(([name, setting]) =>
      isDeepStrictEqual(this.#watch?.current.settings[name], this.#current[name]) ? [] : [fileKey(setting)]
    );
    const warnings = this.#watch?.current.warnings.map(formatFault) ?? [];
    if (waiting.length === 0) return warnings;
    const takes = waiting.length === 1 ? "takes" : "take";
    return [
      ...warnings,
      `${this.path}: ${waiting.join(", ")} ${takes} effect when the daemon is started again`,
    ];
  }

  /** Reads the file now. */
  async reload(): Promise<void> {
    await this.#watch?.reload();
  }

  /** Which settings a window has offered, as hashes, that the daemon does not use. */
  unusedOf(offer: SettingsOffer): UnusedSettings | undefined {
    const names = unusedNames(this.#current, offer);
    if (names.length === 0) return undefined;
    const notice = { server: undefined, namesServer: true, ...adviceOnUnused(names, this.path) };
    return { names, notice };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
  }

  #apply({ settings, faults }: Reading): void {
    const before = this.#current;
    // Without a token the addresses the daemon listens on would have to be checked again.
    const isLive = (name: SettingName) => name !== "token" || settings.token !== "";
    const live = LIVE.filter(isLive).map((name) => [name, settings[name]] as const);
    this.#current = { ...before, ...Object.fromEntries(live) };
    for (const fault of faults) log.error("{fault}", { fault: formatFault(fault) });
    for (const note of this.notes()) log.warning("{note}", { note });
    if (!isDeepStrictEqual(before, this.#current)) this.#onChange(this.#current);
  }
}

/** The names in `offer` whose values differ from those of `settings`. */
function unusedNames(settings: Settings, { salt, digests }: SettingsOffer): SettingName[] {
  return DAEMON_ONLY.filter((name) => {
    if (!Object.hasOwn(digests, name)) return false;
    const text = settingDigestText(salt, name, settings[name]);
    return digests[name] !== createHash("sha256").update(text).digest("base64url");
  });
}

/** A file with faults changes nothing, and neither does one that is gone: it is most likely being replaced. */
function keepGood(before: Reading, { settings, file }: ProgramSettings): Reading {
  const { path, faults, warnings, isBlank } = file;
  if (faults.length > 0) return { ...before, faults, warnings };
  if (!isBlank || before.isBlank) return { settings, faults, warnings, isBlank };
  return { ...before, faults: [goneFault(path)], warnings };
}
