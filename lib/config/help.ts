import { formatBytes } from "../base/units.ts";
import { keyInFile } from "./setting_keys.ts";
import { type Program, type Setting, SETTINGS, type Settings } from "./settings.ts";

/** What {@linkcode formatHelp} puts around the settings. */
interface HelpOptions {
  /** Name of the executable. */
  program: string;
  /** What follows the name on the command line. */
  usage: string;
  /** What the program is for, in a sentence or two. */
  about: string;
  /** The settings to show, all of them when left out. */
  settings?: readonly (keyof Settings)[];
  /** Flags of the command itself that are not settings. */
  switches?: readonly ShownFlag[];
}

const table: Readonly<Record<string, Setting>> = SETTINGS;

/** The names of the settings that mean something to `program`. */
export function settingsOf(program: Program): (keyof Settings)[] {
  const names = Object.keys(SETTINGS) as (keyof Settings)[];
  return names.filter((name) => SETTINGS[name].programs.includes(program));
}

/** The flags of the settings that mean something to `program`. */
export function settingFlags(program: Program): Pick<Setting, "flag" | "help" | "values">[] {
  return settingsOf(program).map((name) => table[name]!);
}

/** The text of `--help`. */
export function formatHelp(options: HelpOptions): string {
  const names = options.settings ?? Object.keys(SETTINGS);
  const settings = names.map((name) => table[name]!);
  const switches = [{ flag: "help", help: "Show this text and exit" }, ...options.switches ?? []];
  const width = flagWidth([...settings, ...switches]);
  const indent = " ".repeat(width);
  return [
    options.about,
    "",
    `Usage: ${options.program} ${options.usage}`.trimEnd(),
    "",
    ...formatFlags(switches, width),
    "",
    "Settings, each a flag, an environment variable, or a key of exai.json (the first of them wins):",
    ...settings.flatMap((setting) => [
      ...formatFlags([setting], width),
      `${indent}${namesOf(setting)}, default ${shownDefault(setting) || "empty"}; ${setting.allowed}`,
    ]),
    "",
  ].join("\n");
}

/** Its variable, and its key in `exai.json` where it can stand there. */
function namesOf(setting: Setting): string {
  const key = keyInFile(setting);
  return key === undefined ? setting.env : `${setting.env}, ${key}`;
}

interface ShownFlag {
  /** Without its dashes. */
  flag: string;
  help: string;
}

/** One line for each flag, its help from column `width` on. */
export function formatFlags(flags: readonly ShownFlag[], width = flagWidth(flags)): string[] {
  return flags.map(({ flag, help }) => `  --${flag}`.padEnd(width) + help);
}

function flagWidth(flags: readonly ShownFlag[]): number {
  return Math.max(...flags.map(({ flag }) => flag.length)) + "  --  ".length;
}

/** The default of `setting` as a person reads it; empty when there is none. */
export function shownDefault(setting: Setting): string {
  // A word in place of a number: `auto`.
  if (setting.unit !== undefined && Number.isNaN(Number(setting.fallback))) return setting.fallback;
  if (setting.unit === "bytes") return formatBytes(Number(setting.fallback));
  return setting.unit === undefined ? setting.fallback : `${setting.fallback} ${setting.unit}`;
}
