import { formatBytes } from "../base/units.ts";
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
  /** Flags of the command itself that are no settings. */
  switches?: readonly { flag: string; help: string }[];
}

const table: Readonly<Record<string, Setting>> = SETTINGS;

/** The names of the settings that mean something to `program`. */
export function settingsOf(program: Program): (keyof Settings)[] {
  const names = Object.keys(SETTINGS) as (keyof Settings)[];
  return names.filter((name) => SETTINGS[name].programs.includes(program));
}

/** The text of `--help`. */
export function formatHelp(options: HelpOptions): string {
  const names = options.settings ?? Object.keys(SETTINGS);
  const settings = names.map((name) => table[name]!);
  const switches = [{ flag: "help", help: "Show this text and exit" }, ...options.switches ?? []];
  const width = Math.max(...[...settings, ...switches].map(({ flag }) => flag.length)) + "  --  ".length;
  const indent = " ".repeat(width);
  const row = (flag: string, help: string) => `  --${flag}`.padEnd(width) + help;
  return [
    options.about,
    "",
    `Usage: ${options.program} ${options.usage}`.trimEnd(),
    "",
    ...switches.map(({ flag, help }) => row(flag, help)),
    "",
    "Settings, each a flag or an environment variable (the flag wins):",
    ...settings.flatMap((setting) => [
      row(setting.flag, setting.help),
      `${indent}${setting.env}, default ${shownDefault(setting) || "empty"}; ${setting.allowed}`,
    ]),
    "",
  ].join("\n");
}

/** The default of `setting` as a person reads it; empty when there is none. */
export function shownDefault(setting: Setting): string {
  // A word in place of a number: `auto`.
  if (setting.unit !== undefined && Number.isNaN(Number(setting.fallback))) return setting.fallback;
  if (setting.unit === "bytes") return formatBytes(Number(setting.fallback));
  return setting.unit === undefined ? setting.fallback : `${setting.fallback} ${setting.unit}`;
}
