import { ExaiError, messageOf } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import type { KeyPlace, NeededKey, PlacedKey, VaultKeys } from "./vault_key.ts";

/** The form of a vault; a later one that this release cannot read has a higher number. */
const FORM = 1;

/** The content of a vault, by section; a release leaves sections that it does not know as they are. */
export type VaultContent = Readonly<Record<string, JsonObject>>;

/** A vault whose content cannot be had with any key that there is: the message is a clause that says why. */
export class DamagedVault extends Error {
  override name = "DamagedVault";
}

/** What a vault says without its key. */
interface VaultHeader extends NeededKey {
  form: number;
}

/** `content` as the text of a vault (RFC 7516, compact serialization). */
export async function seal(content: VaultContent, { key, place }: PlacedKey): Promise<string> {
  const { CompactEncrypt } = await import("jose");
  return await new CompactEncrypt(new TextEncoder().encode(JSON.stringify(content)))
    .setProtectedHeader({ alg: "dir", enc: "A256GCM", kid: key.kid, form: FORM, place })
    .encrypt(key.bytes);
}

/**
 * The content of the vault in `text`, and the key it needs.
 *
 * @throws {DamagedVault}
 * @throws {ExaiError} `CONFIG` when the key cannot be had now, or a later release has written the vault
 */
export async function unseal(
  text: string,
  keys: VaultKeys,
): Promise<{ content: VaultContent; needs: NeededKey }> {
  const { compactDecrypt, decodeProtectedHeader } = await import("jose");
  const { form, ...needs } = headerIn(text, decodeProtectedHeader);
  if (form > FORM) {
    const why = "a newer release of EXAI has written the vault";
    throw new ExaiError(
      "CONFIG",
      `${why}; install it again (exai-daemon update --check says which one there is)`,
    );
  }
  const key = await keys.find(needs);
  if (!key) throw new DamagedVault("it was encrypted with another key");
  try {
    const { plaintext } = await compactDecrypt(text, key.bytes, {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A256GCM"],
    });
    const content: unknown = JSON.parse(new TextDecoder().decode(plaintext));
    if (!isObject(content) || !Object.values(content).every(isObject)) {
      throw new Error("it holds no sections");
    }
    return { content: content as VaultContent, needs };
  } catch (thrown) {
    throw new DamagedVault(`it is damaged: ${messageOf(thrown)}`);
  }
}

function headerIn(text: string, decode: (token: string) => Record<string, unknown>): VaultHeader {
  try {
    const { kid, form, place } = decode(text);
    if (typeof kid !== "string" || typeof form !== "number") throw new Error("it is not of EXAI");
    return { kid, form, place: place as KeyPlace };
  } catch (thrown) {
    throw new DamagedVault(`it is no vault: ${messageOf(thrown)}`);
  }
}
