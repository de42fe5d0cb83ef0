import type { Keychain } from "../auth/keychain.ts";
import { fromBase64url } from "../wire/proof.ts";

/** Bytes of a key of A256GCM. */
const KEY_BYTES = 32;

/** Where a key is: a file of the state directory, the file that the user has named, or a keychain. */
export type KeyPlace = "file" | "given-file" | Keychain["id"];

/** A new key of A256GCM. */
export function newKey(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(KEY_BYTES));
}

/** The name of a key in a keychain. */
export function itemOf(kid: string): string {
  return `vault-key-${kid}`;
}

/** A place of keys as a person would say it. */
export function placeTitle(place: KeyPlace): string {
  switch (place) {
    case "secret-service":
      return "the Secret Service";
    case "macos-keychain":
      return "the macOS Keychain";
    case "windows-credentials":
      return "the Windows Credential Manager";
    case "file":
      return "vault.key";
    default:
      return "a file of yours";
  }
}

/** The key in a text: base64 of either alphabet, or hexadecimal. */
export function keyIn(text: string): Uint8Array<ArrayBuffer> | undefined {
  const trimmed = text.trim();
  try {
    const key = /^[0-9a-f]{64}$/i.test(trimmed)
      ? Uint8Array.fromHex(trimmed)
      : fromBase64url(trimmed.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""));
    return key.length === KEY_BYTES ? key : undefined;
  } catch {
    return undefined;
  }
}
