import { logoutCommand } from "../config/account_choice.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { formatBytes, KIB, MIB } from "../base/units.ts";
import type { VaultContent } from "./vault_seal.ts";

/** The most that is written, a quarter of what is read: each change encrypts all of it. */
const MAX_VAULT_BYTES = 4 * MIB;

/** Left free by what is kept for the first time, so that what is there already can be replaced: tokens that are renewed. */
export const SPARE_BYTES = MIB;

/** The most that is kept of one account; metadata, a registration and tokens have some KiB. */
const MAX_ACCOUNT_BYTES = 256 * KIB;

/** How many secrets an error names. */
const SHOWN = 3;

/**
 * Checks that a vault can be read again, and changed.
 *
 * @param text what is to be written of `content`
 * @param spareBytes how much is to be left free
 * @throws {ExaiError} `CONFIG` with what takes the room, and what to remove
 */
export function checkVaultSize(path: string, text: string, content: VaultContent, spareBytes: number): void {
  const most = MAX_VAULT_BYTES - spareBytes;
  if (text.length <= most) return;
  throw new ExaiError(
    "CONFIG",
    `the vault ${path} is left as it was: it would have ${formatBytes(text.length)}, more than ${
      formatBytes(most)
    } with ${largestOf(content)}; remove what is not needed: exai-daemon secret remove NAME, or ${
      logoutCommand({ server: "SERVER" })
    }`,
  );
}

/**
 * Checks that an account does not take the room of the others.
 *
 * @param what the account, for the error
 * @throws {ExaiError} `CONFIG` with what part of it is too large
 */
export function checkAccountSize(what: string, account: JsonObject, before: JsonObject | undefined): void {
  const bytes = sizeOf(account);
  // One that has become smaller is never refused.
  if (bytes <= MAX_ACCOUNT_BYTES || before && bytes < sizeOf(before)) return;
  const [[part, size]] = bySize(Object.entries(account)) as [[string, number]];
  throw new ExaiError(
    "CONFIG",
    `${what} is not kept: it has ${formatBytes(bytes)}, of which ${part} ${formatBytes(size)}, and at most ${
      formatBytes(MAX_ACCOUNT_BYTES)
    } are; its server or authorization server sends more than a login has`,
  );
}

/** What takes the room, in words. The keys of accounts are no words for people. */
function largestOf(content: VaultContent): string {
  const sections = bySize(Object.entries(content)).map(([section, size]) =>
    `${Object.keys(content[section]!).length} ${section} (${formatBytes(size)})`
  );
  const secrets = bySize(Object.entries(content.secrets ?? {})).slice(0, SHOWN).map(([name]) => name);
  const largest = secrets.length === 0 ? "" : `, the largest secrets ${secrets.join(", ")}`;
  return `${sections.join(" and ")}${largest}`;
}

function bySize(entries: readonly [string, Json | undefined][]): [string, number][] {
  return entries.map(([name, value]): [string, number] => [name, sizeOf(value)]).sort(([, a], [, b]) =>
    b - a
  );
}

function sizeOf(value: Json | undefined): number {
  return isObject(value) ? JSON.stringify(value).length : String(value ?? "").length;
}
