import { fileKey, SETTING_ENTRIES, type SettingName } from "./setting_keys.ts";
import { type Setting, SETTINGS } from "./settings.ts";

/** What stands in a message for a value that is a secret, or not known. */
const NO_VALUE = '"..."';

/** The settings a window may set in vain: those that only the daemon reads, which serves every window. */
export const DAEMON_ONLY: readonly SettingName[] = SETTING_ENTRIES
  .filter(([, { programs }]) => !programs.includes("shim")).map(([name]) => name);

/**
 * The sentence for a window whose settings the daemon does not use, with the line to write into `exai.json`.
 *
 * @param path of `exai.json`
 * @param texts the values as texts, where they are known; secrets are left out of the sentence
 */
export function adviceOnUnused(
  names: readonly SettingName[],
  path: string,
  texts?: ReadonlyMap<SettingName, string>,
): string {
  const variables = names.map((name) => SETTINGS[name].env).join(", ");
  const lines = names.map((name) =>
    `"${fileKey(SETTINGS[name])}": ${jsonOf(SETTINGS[name], texts?.get(name))}`
  );
  const verb = names.length === 1 ? "is" : "are";
  return `${variables} ${verb} set for this window and not used: one daemon serves all windows, with the settings of ` +
    `${path}. Write there { ${
      lines.join(", ")
    } }; keys of models take effect when it is saved, other settings when ` +
    "the daemon is started again";
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
