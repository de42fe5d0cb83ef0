import { type Setting, SETTINGS, type Settings } from "./settings.ts";

/** The name of a setting in code. */
export type SettingName = keyof Settings;

/** All settings by their name in code. */
export const SETTING_ENTRIES = Object.entries(SETTINGS) as [SettingName, Setting][];

/** Settings of one window, and those that say which files are read: `exai.json` holds for all windows. */
const NOT_IN_FILE: readonly SettingName[] = ["home", "envFile", "sessionId", "server", "window"];

/**
 * The key of a setting in `exai.json`: its flag in camel case.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fileKey } from "./setting_keys.ts";
 *
 * assertEquals(fileKey({ flag: "call-timeout" }), "callTimeout");
 * ```
 */
export function fileKey({ flag }: Pick<Setting, "flag">): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** The settings that can stand in `exai.json`, by key. */
export const FILE_KEYS: ReadonlyMap<string, SettingName> = new Map(
  SETTING_ENTRIES.filter(([name]) => !NOT_IN_FILE.includes(name))
    .map(([name, setting]) => [fileKey(setting), name]),
);

/** The key of a setting that can stand in `exai.json`. */
export function keyInFile(setting: Setting): string | undefined {
  const key = fileKey(setting);
  return FILE_KEYS.has(key) ? key : undefined;
}

/**
 * What decides which daemon a window has, and how it reaches it. Only these pass from a window to the daemon it starts:
 * every other setting would hold for all windows, and differ with the window that happened to be the first.
 */
export const WHICH_DAEMON = [
  "home",
  "host",
  "port",
  "socket",
  "peers",
  "token",
  "tlsCert",
  "tlsKey",
  "tlsClientCa",
  "tlsCa",
  "tlsClientCert",
  "tlsClientKey",
  "config",
  "envFile",
] as const satisfies readonly SettingName[];
