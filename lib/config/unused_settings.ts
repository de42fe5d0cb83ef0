import { fileKey, SETTING_ENTRIES, type SettingName } from "./setting_keys.ts";
import { type Setting, SETTINGS } from "./settings.ts";

/** What stands in a message for a value that is a secret, or not known. */
const NO_VALUE = '"..."';

/** The settings a window may set in vain: those that only the daemon reads, which serves every window. */
export const DAEMON_ONLY: readonly SettingName[] = SETTING_ENTRIES
  .filter(([, { programs, isShared }]) => !programs.includes("shim") && !isShared).map(([name]) => name);

/** What a window is told whose settings the daemon does not use. */
interface UnusedAdvice {
  cause: string;
  /** With the line to write into `exai.json`. */
  advice: string;
}

/**
 * What to tell a window whose settings `names` the daemon does not use.
 *
 * @param path of `exai.json`
 * @param texts the values as texts, where they are known; secrets are left out
 */
export function adviceOnUnused(
  names: readonly SettingName[],
  path: string,
  texts?: ReadonlyMap<SettingName, string>,
): UnusedAdvice {
  const variables = names.map((name) => SETTINGS[name].env).join(", ");
  const keys = names.map((name) =>
    `"${fileKey(SETTINGS[name])}": ${jsonOf(SETTINGS[name], texts?.get(name))}`
  );
  return {
    cause:
      `${variables} ${
        names.length === 1 ? "is" : "are"
      } set for this window and not used, as one daemon serves ` +
      "all windows",
    advice:
      `write { ${
        keys.join(", ")
      } } into ${path}; keys of models count when it is saved, other settings when ` +
      "the daemon is started again",
  };
}

function jsonOf({ secret, types = ["string"] }: Setting, text: string | undefined): string {
  if (secret || text === undefined) return NO_VALUE;
  if (types.includes("array")) return JSON.stringify(text.split(",").map((part) => part.trim()));
  const isNumber = (types.includes("number") || types.includes("integer")) && !Number.isNaN(Number(text));
  if (isNumber) return String(Number(text));
  return types.includes("boolean") ? String(/^(true|1|yes|on)$/i.test(text.trim())) : JSON.stringify(text);
}

/**
 * What is hashed to compare a setting of a window with the daemon's without sending it.
 *
 * @param salt made anew for each comparison
 * @param value the parsed setting
 */
export function settingDigestText(salt: string, name: SettingName, value: unknown): string {
  return [salt, name, JSON.stringify(value)].join("\0");
}
