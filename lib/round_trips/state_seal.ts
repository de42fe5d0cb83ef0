import { isObject, type JsonObject, parseJson } from "../base/json.ts";
import { base64url, fromBase64url } from "../wire/proof.ts";

/** Bytes of a key. */
export const STATE_KEY_BYTES = 32;

/** Bytes of the nonce in front of each state. */
const NONCE_BYTES = 12;

/** Authenticated with each state: one of another version is none of this. */
const VERSION = new TextEncoder().encode("exai round trip state 1");

/**
 * Encrypts and authenticates what a client keeps for the daemon between two requests (MCP basic/patterns/mrtr, server
 * requirements): AES-256-GCM with a random nonce.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { STATE_KEY_BYTES, StateSeal } from "./state_seal.ts";
 *
 * const seal = new StateSeal(crypto.getRandomValues(new Uint8Array(STATE_KEY_BYTES)));
 * assertEquals(await seal.open(await seal.close({ a: 1 })), { a: 1 });
 * assertEquals(await seal.open("made up"), undefined);
 * ```
 */
export class StateSeal {
  readonly #key: Promise<CryptoKey>;

  /** @param key {@linkcode STATE_KEY_BYTES} bytes, the same for daemons that are to read each other's states */
  constructor(key: Uint8Array<ArrayBuffer>) {
    this.#key = crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
  }

  /** `payload` as a text that only {@linkcode open} reads. */
  async close(payload: JsonObject): Promise<string> {
    const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const plain = new TextEncoder().encode(JSON.stringify(payload));
    const algorithm = { name: "AES-GCM", iv, additionalData: VERSION };
    const sealed = await crypto.subtle.encrypt(algorithm, await this.#key, plain);
    const bytes = new Uint8Array(NONCE_BYTES + sealed.byteLength);
    bytes.set(iv);
    bytes.set(new Uint8Array(sealed), NONCE_BYTES);
    return base64url(bytes);
  }

  /** What was sealed as `state`; undefined when it was not sealed with this key, or is not as it was. */
  async open(state: string): Promise<JsonObject | undefined> {
    let plain: ArrayBuffer;
    try {
      const bytes = fromBase64url(state);
      // Several texts may stand for the same bytes; only the one that was given is taken.
      if (base64url(bytes) !== state) return undefined;
      const algorithm = { name: "AES-GCM", iv: bytes.subarray(0, NONCE_BYTES), additionalData: VERSION };
      plain = await crypto.subtle.decrypt(algorithm, await this.#key, bytes.subarray(NONCE_BYTES));
    } catch {
      return undefined;
    }
    const payload = parseJson(new TextDecoder().decode(plain));
    return isObject(payload) ? payload : undefined;
  }
}
