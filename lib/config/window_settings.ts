import { dirname } from "@std/path/dirname";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import {
  type GivenSettings,
  givenText,
  type LoadedSettings,
  readGiven,
  type SettingSources,
  settingsWithFile,
} from "./load.ts";
import { statePaths } from "./paths.ts";
import { isListed, readRegularFileSync } from "./regular_file.ts";
import { FILE_KEYS, type SettingName } from "./setting_keys.ts";
import { readValue } from "./setting_values.ts";
import { type Setting, SETTINGS } from "./settings.ts";
import { whyUntrusted } from "./trust.ts";

/** The settings of a shim. */
export interface WindowSettings extends LoadedSettings {
  /** The path of `exai.json`. */
  path: string;
}

/**
 * Reads the settings of a shim. `exai.json` is read without its faults, which are the daemon's to report: a window must
 * not fail for one while a daemon runs. No parser with positions is loaded for it, since a shim starts for each window.
 *
 * @throws {ExaiError} `CONFIG`, one line per fault of the other sources
 */
export async function readWindowSettings(sources: SettingSources): Promise<WindowSettings> {
  const given = readGiven(sources);
  const path = settingsPath(given);
  const file = isThere(path, given) ? await readQuietly(path, given.env) : new Map<SettingName, string>();
  return {
    ...settingsWithFile(given, file),
    path,
  };
}

/** A text that changes with the files the settings come from: `exai.json`, and the token an earlier daemon has made. */
export function stampOf({ path, settings }: WindowSettings): string {
  const stamps = [path, statePaths(settings).token].map((file) => {
    const info = isListed(file) ? Deno.statSync(file) : undefined;
    return info === undefined ? "" : [info.ino, info.size, info.mtime?.getTime()].join();
  });
  return stamps.join("\n");
}

/** The path of `exai.json` by the sources that can name its directory. */
export function settingsPath(given: GivenSettings): string {
  return statePaths({ home: givenText(given, "home") ?? "" }).settings;
}

/** The values a shim reads that have no fault. */
async function readQuietly(path: string, env: GivenSettings["env"]): Promise<Map<SettingName, string>> {
  const values = new Map<SettingName, string>();
  for (const [key, given] of Object.entries(await readObject(path))) {
    const name = FILE_KEYS.get(key);
    if (name === undefined || !SETTINGS[name].programs.includes("shim")) continue;
    const setting: Setting = SETTINGS[name];
    const value = typeof given === "string" && given.includes("${") ? await expand(given, path, env) : given;
    const read = value === undefined ? undefined : readValue(setting, value as Json);
    if (read?.kind === "text") values.set(name, read.text);
  }
  return values;
}

async function readObject(path: string): Promise<JsonObject> {
  try {
    const text = readRegularFileSync(path);
    const value = text.trim() === "" || whyUntrusted(path) !== undefined ? {} : await parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** Comments and commas before a closing bracket need another parser. */
const NOT_PLAIN = /\/[/*]|,\s*[}\]]|^\uFEFF/;

async function parse(text: string): Promise<unknown> {
  if (!NOT_PLAIN.test(text)) return JSON.parse(text);
  const { parse } = await import("@std/jsonc/parse");
  return parse(text.replace(/^\uFEFF/, ""));
}

/** Whether there is a file to read. The system's directory for it may be missing, one that is named is not. */
function isThere(path: string, given: GivenSettings): boolean {
  return (givenText(given, "home") !== undefined || isListed(dirname(path))) && isListed(path);
}

/** Undefined where a variable cannot be filled in. */
async function expand(text: string, path: string, env: GivenSettings["env"]): Promise<string | undefined> {
  const { Expander } = await import("./variables.ts");
  return await new Expander({ env, configDir: dirname(path) }).expand(text).catch(() => undefined);
}
