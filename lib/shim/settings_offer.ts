import type { JsonObject } from "../base/json.ts";
import type { SettingName } from "../config/setting_keys.ts";
import type { Settings } from "../config/settings.ts";
import { DAEMON_ONLY, settingDigestText } from "../config/unused_settings.ts";

/**
 * The part of a hello that has the daemon say which settings of this window it does not use; empty for a window that
 * sets none of the daemon's. Hashes are sent, with a salt of their own: the values may be secrets.
 */
export async function settingsOffer(
  settings: Settings,
  own: ReadonlyMap<SettingName, string>,
): Promise<JsonObject> {
  const names = DAEMON_ONLY.filter((name) => own.has(name));
  if (names.length === 0) return {};
  const salt = crypto.randomUUID();
  const digests = await Promise.all(names.map(async (name) => {
    const text = new TextEncoder().encode(settingDigestText(salt, name, settings[name]));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
    return [name, hash.toBase64({ alphabet: "base64url", omitPadding: true })] as const;
  }));
  return { settings: { salt, digests: Object.fromEntries(digests) } };
}
