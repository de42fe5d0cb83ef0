import { parseArgs } from "@std/cli/parse-args";
import { ExaiError, messageOf, UsageError } from "../base/errors.ts";
import {
  type CommandFlags,
  describeUnknownFlag,
  type FlagNames,
  flagsFor,
  separateCommand,
} from "./command_line.ts";
import { statePaths } from "./paths.ts";
import { isListed, parseEnvFile, readRegularFileSync } from "./regular_file.ts";
import { AUTO_TOKEN } from "./token_rule.ts";
import { whyUntrusted } from "./trust.ts";
import { SETTING_ENTRIES, type SettingName } from "./setting_keys.ts";
import { type Setting, SETTINGS, type Settings } from "./settings.ts";

/** Where {@linkcode loadSettings} reads from; the defaults are the process's own. */
export interface SettingSources {
  args?: string[];
  env?: Record<string, string | undefined>;
  /** Directory whose `.env` is read when `ENV_FILE` names no other file. */
  programDir?: string;
  /** Switches of the program that are not settings: `--help`, `--if-not-running`. */
  switches?: readonly string[];
  /** Flags of the program that take a value and are not settings. */
  options?: readonly string[];
  /** The flags of each command of the program, beside `switches` and `options`. */
  commands?: CommandFlags;
}

/** A command line with the settings in force. */
export interface LoadedSettings {
  settings: Settings;
  /** The positional arguments. */
  words: string[];
  /** The switches of the program that are on. */
  switches: ReadonlySet<string>;
  /** The values of the program's own flags; a repeated flag keeps all. */
  options: ReadonlyMap<string, string[]>;
  /** The settings given by flag or environment, as texts. */
  own: ReadonlyMap<SettingName, string>;
  /** The settings given by flag or `exai.json`, and so for EXAI and no other program. */
  meant: ReadonlySet<SettingName>;
}

/** Values of settings as texts, by name in code. */
type SettingTexts = ReadonlyMap<SettingName, string>;

/** The settings as they were given: the command line, the environment and the env file, read once. */
export interface GivenSettings extends Omit<LoadedSettings, "settings" | "own" | "meant"> {
  flags: ReadonlyMap<string, string>;
  env: Record<string, string | undefined>;
  envFile: Record<string, string | undefined>;
  /** What is wrong with the flags. */
  lineFaults: readonly string[];
  /** What is wrong with the env file. */
  faults: readonly string[];
}

/** Reads the command line, the environment and the env file. */
export function readGiven(sources: SettingSources = {}): GivenSettings {
  const faults: string[] = [];
  const line = readFlags(sources);
  const env = sources.env ?? Deno.env.toObject();
  const envFile = readEnvFile(line.flags.get("env-file") ?? env.ENV_FILE, sources.programDir, faults);
  return { ...line, env, envFile, faults };
}

/**
 * The text of a setting that is set, by flag, environment, `exai.json` or env file, in this order. A variable that other
 * programs have too comes after `exai.json`, where a person has said what is meant for EXAI.
 *
 * @param file what `exai.json` says
 */
export function givenText(
  { flags, env, envFile }: GivenSettings,
  name: SettingName,
  file?: SettingTexts,
): string | undefined {
  const setting: Setting = SETTINGS[name];
  // An empty variable counts as not set: editors' forms and `NAME=` lines leave some.
  const first = setting.isShared ? file?.get(name) : undefined;
  return flags.get(setting.flag) ?? first ?? (env[setting.env] || undefined) ?? file?.get(name) ??
    ((env[setting.env] ?? envFile[setting.env]) || undefined);
}

/**
 * Every setting by its first source, in the order of {@linkcode givenText}, then the default.
 *
 * @throws {ExaiError} `CONFIG`, one line per fault naming variable, value and what is allowed
 */
function resolveSettings(given: GivenSettings, file?: SettingTexts): LoadedSettings {
  const { faults, ...loaded } = resolveTolerantly(given, file);
  if (faults.length > 0) throw new ExaiError("CONFIG", faults.join("\n"));
  return loaded;
}

/**
 * As {@linkcode resolveSettings}; a value that is not allowed counts as not set, and is among the faults.
 *
 * @throws {UsageError} when the command line is at fault
 */
function resolveTolerantly(
  given: GivenSettings,
  file?: SettingTexts,
): LoadedSettings & { faults: string[] } {
  const faults = [...given.lineFaults, ...given.faults];
  let isUsage = given.lineFaults.length > 0;
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const [name, setting] of SETTING_ENTRIES) {
    const text = givenText(given, name, file) ?? setting.fallback;
    values[name] = setting.read(text);
    if (values[name] !== undefined) continue;
    faults.push(describeFault(setting, text));
    isUsage ||= given.flags.has(setting.flag);
    values[name] = setting.read(setting.fallback);
  }
  if (isUsage) throw new UsageError(faults.join("\n"));
  const { words, switches, options } = given;
  const own = new Map(SETTING_ENTRIES.flatMap((entry) => ownText(given, entry)));
  const meant = new Set(
    SETTING_ENTRIES.flatMap(([name, { flag }]) => given.flags.has(flag) || file?.has(name) ? [name] : []),
  );
  return { settings: values as Settings, words, switches, options, own, meant, faults };
}

function ownText({ flags, env }: GivenSettings, [name, setting]: [SettingName, Setting]) {
  const text = flags.get(setting.flag) ?? env[setting.env];
  return text ? [[name, text] as const] : [];
}

/**
 * `loaded` with the token `auto` where none is set and the state directory holds a token: a daemon of it has run with
 * `auto` before, and must not be open for being started by somebody who does not say so again. To go on without a token,
 * set an empty one in `exai.json` or delete the file.
 */
function withKeptToken<T extends LoadedSettings>(
  loaded: T,
  { given, file }: { given: GivenSettings; file: SettingTexts },
): T & { isTokenKept: boolean } {
  const { settings } = loaded;
  const isTokenKept = givenText(given, "token", file) === undefined && isListed(statePaths(settings).token);
  return { ...loaded, settings: isTokenKept ? { ...settings, token: AUTO_TOKEN } : settings, isTokenKept };
}

/**
 * Every setting, with what `exai.json` says (`file`) and the token an earlier daemon has made.
 *
 * @throws {ExaiError} `CONFIG`, one line per fault of the other sources
 */
export function settingsWithFile(
  given: GivenSettings,
  file: SettingTexts,
): LoadedSettings & { isTokenKept: boolean } {
  return withKeptToken(resolveSettings(given, file), { given, file });
}

/** As {@linkcode settingsWithFile}; values with a fault count as not set. */
export function settingsDespiteFaults(
  given: GivenSettings,
  file: SettingTexts,
): LoadedSettings & { isTokenKept: boolean; faults: string[] } {
  return withKeptToken(resolveTolerantly(given, file), { given, file });
}

/**
 * Reads every setting, all but what `exai.json` says: flags before environment before env file before default.
 *
 * @throws {ExaiError} `CONFIG`, one line per fault naming variable, value and what is allowed
 */
export function loadSettings(sources: SettingSources = {}): LoadedSettings {
  return resolveSettings(readGiven(sources));
}

/** The settings of a program started with nothing set; for tests and tools. */
export function defaultSettings(overrides: Partial<Settings> = {}): Settings {
  const { settings } = loadSettings({ args: [], env: { ENV_FILE: "" } });
  return { ...settings, ...overrides };
}

function describeFault(setting: Setting, value: string): string {
  const shown = setting.secret ? "(a secret, not shown)" : JSON.stringify(value);
  return `${setting.env} (--${setting.flag}) is ${shown}; allowed: ${setting.allowed}`;
}

type ReadFlags = Pick<GivenSettings, "flags" | "switches" | "options" | "words" | "lineFaults">;

const NO_FLAGS: Omit<ReadFlags, "options"> = {
  flags: new Map<string, string>(),
  switches: new Set<string>(),
  words: [],
  lineFaults: [],
};

function readFlags(sources: SettingSources): ReadFlags {
  const given = sources.args ?? Deno.args;
  const own = flagsOf(given, sources);
  // As most windows are started.
  if (given.length === 0) return { ...NO_FLAGS, options: new Map(own.options.map((name) => [name, []])) };
  const settingFlags = SETTING_ENTRIES.map(([, setting]) => setting.flag);
  const args = separateCommand(given, own, settingFlags);
  const unknown: string[] = [];
  const parsed: Record<string, unknown> = parseArgs(args, {
    boolean: [...own.switches],
    // Words too: an id of digits must not become a number.
    string: ["_", ...settingFlags, ...own.options],
    collect: [...own.options],
    alias: { h: "help" },
    unknown: (arg: string, key?: string) => {
      if (key !== undefined) unknown.push(arg);
      return key === undefined;
    },
  });
  const known = [...own.switches, ...settingFlags, ...own.options];
  const flags = new Map<string, string>();
  for (const flag of settingFlags) {
    if (typeof parsed[flag] === "string") flags.set(flag, parsed[flag]);
  }
  const options = new Map<string, string[]>();
  for (const name of own.options) options.set(name, parsed[name] as string[]);
  return {
    flags,
    options,
    switches: new Set(own.switches.filter((name) => parsed[name] === true)),
    words: (parsed._ as (string | number)[]).map(String),
    lineFaults: unknown.map((arg) =>
      describeUnknownFlag(arg, { path: own.path, known, commands: sources.commands ?? new Map() })
    ),
  };
}

/** The flags beside those of the settings that may stand in `args`. */
function flagsOf(args: readonly string[], sources: SettingSources): FlagNames & { path: string } {
  const settings = SETTING_ENTRIES.map(([, setting]) => setting.flag);
  const found = flagsFor(args, sources.commands ?? new Map(), settings);
  return {
    path: found.path,
    wordsBeforeCommand: found.wordsBeforeCommand,
    switches: ["help", ...(sources.switches ?? []), ...found.switches],
    options: [...(sources.options ?? []), ...found.options],
  };
}

function readEnvFile(named: string | undefined, programDir: string | undefined, faults: string[]) {
  const path = named || (named === undefined && programDir ? envFileIn(programDir) : undefined);
  if (!path) return {};
  const distrust = whyUntrusted(path);
  if (distrust !== undefined) {
    faults.push(`the env file ${path} is not used, and nothing started without what it says: ${distrust}`);
    return {};
  }
  try {
    return parseEnvFile(readRegularFileSync(path));
  } catch (thrown) {
    if (named) {
      faults.push(`ENV_FILE is ${JSON.stringify(named)}, which cannot be read: ${messageOf(thrown)}`);
    }
    return {};
  }
}

function envFileIn(dir: string): string | undefined {
  const path = `${dir}/.env`;
  return isListed(path) ? path : undefined;
}
