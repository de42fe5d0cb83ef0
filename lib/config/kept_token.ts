import { statePaths } from "./paths.ts";
import { type GivenSettings, givenText, type LoadedSettings, type SettingTexts } from "./load.ts";
import { AUTO_TOKEN } from "./token_rule.ts";

/**
 * `loaded` with the token `auto` where none is set and the state directory holds a token: a daemon of it has run with
 * `auto` before, and must not be open for being started by somebody who does not say so again. To go on without a token,
 * set an empty one in `exai.json` or delete the file.
 */
export function withKeptToken(
  loaded: LoadedSettings,
  { given, file }: { given: GivenSettings; file: SettingTexts },
): LoadedSettings & { isTokenKept: boolean } {
  const { settings } = loaded;
  const isTokenKept = givenText(given, "token", file) === undefined && isFile(statePaths(settings).token);
  return { ...loaded, settings: isTokenKept ? { ...settings, token: AUTO_TOKEN } : settings, isTokenKept };
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
