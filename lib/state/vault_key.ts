import { getLogger } from "@logtape/logtape";
import type { Keychain } from "../auth/keychain.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { registerSecret } from "../base/log.ts";
import { quoteForShell } from "../base/text.ts";
import { readRegularFile } from "../config/regular_file.ts";
import { othersCanRead, whyUntrusted } from "../config/trust.ts";
import { base64url } from "../wire/proof.ts";
import { writeDurably } from "./state_files.ts";
import { AskedKeychain } from "./asked_keychain.ts";
import { itemOf, keyIn, type KeyPlace, newKey, placeTitle } from "./vault_key_text.ts";

export type { KeyPlace };

const log = getLogger(["exai", "state"]);

/** How a key is made for `EXAI_VAULT_KEY_FILE`. */
const MAKE_KEY = "openssl rand -base64 32";

/** The key of a vault. */
interface VaultKey {
  /** Its thumbprint (RFC 7638), by which a vault says which key it needs. */
  kid: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Which key a vault needs, as its header says. */
export interface NeededKey {
  kid: string;
  place: KeyPlace;
}

/** A key, and where it is. */
export interface PlacedKey {
  key: VaultKey;
  place: KeyPlace;
}

interface VaultKeyPlaces {
  /** The vault, for messages. */
  vault: string;
  /** The file of the state directory. */
  keyFile: string;
  /** The file that the user has named: `EXAI_VAULT_KEY_FILE`; empty: none. */
  givenFile?: string;
  /** The keychain of the system, where there is one. */
  keychain?: Keychain;
  /** Whether a new key may go into the keychain. Default: yes. */
  usesKeychain?: boolean;
  /** What a person is to run once the keychain is unlocked; undefined: what was run before, again. */
  askedAgainBy?: string;
}

/**
 * Finds and makes the keys of a vault. A keychain keeps each key under its thumbprint, so that no key ever takes the place
 * of another one.
 */
export class VaultKeys {
  readonly #places: VaultKeyPlaces;
  readonly #known = new Map<string, VaultKey>();
  readonly #asked = new AskedKeychain();
  /** The key that was put into the keychain for a vault that is not written yet. */
  #made: PlacedKey | undefined;

  constructor(places: VaultKeyPlaces) {
    this.#places = places;
  }

  /**
   * The key that a vault needs; undefined where its place holds another one.
   *
   * @throws {ExaiError} `CONFIG` when the key is lost, or its place cannot be used now
   */
  async find({ kid, place }: NeededKey): Promise<VaultKey | undefined> {
    const known = this.#known.get(kid);
    if (known) return known;
    const found = await this.#read(place, kid);
    if (found === undefined) throw this.#lost(place);
    const key = await this.#remember(found);
    if (key.kid === kid) return key;
    if (place === "file") return undefined;
    // Another process may have been told of another file: its vault must not be put aside for that.
    throw this.#fault(`was encrypted with another key than that in ${this.#where(place)}`);
  }

  /** The keys that were needed until now, as texts. */
  get texts(): string[] {
    return Array.from(this.#known.values(), ({ bytes }) => base64url(bytes));
  }

  /** Takes over keys that another process has got already. */
  async use(texts: readonly string[]): Promise<void> {
    for (const text of texts) await this.#remember(this.#parse(text, "what it was given"));
  }

  /**
   * Takes over the key in a file of the user's.
   *
   * @throws {ExaiError} `CONFIG` where there is none, or others can change the file
   */
  async useFile(path: string): Promise<void> {
    const found = await this.#readFile(path, { isGiven: true });
    if (found === undefined) {
      throw this.#fault(`cannot be opened with the key in ${path}, which is not there`);
    }
    await this.#remember(found);
  }

  /** Has keychains that gave no key asked once more, when it is needed next; whether there are any. */
  askAgain(): boolean {
    const known = new Set([...this.#known.keys()].map(itemOf));
    return this.#asked.askAgain((item) => known.has(item));
  }

  /**
   * The key to encrypt with, made where there is none yet; call it under the lock of the vault.
   *
   * @param current the key that the vault has now; it stays in its place unless the user has named a file
   * @throws {ExaiError} `CONFIG`
   */
  async forWriting(current?: NeededKey): Promise<PlacedKey> {
    if (this.#places.givenFile) return await this.#given();
    const kept = current && await this.find(current);
    if (kept) return { key: kept, place: current.place };
    return await this.#make();
  }

  /**
   * A key where that of a new vault would be, to encrypt with in place of `current`; undefined where that is there already.
   * Call it under the lock of the vault.
   *
   * @throws {ExaiError} `CONFIG` when the keychain, or the file that the user has named, cannot be used
   */
  async forMoving(current: NeededKey): Promise<PlacedKey | undefined> {
    const { givenFile, keychain } = this.#places;
    if (givenFile) {
      const given = await this.#given();
      return current.place === "given-file" && current.kid === given.key.kid ? undefined : given;
    }
    if (!this.#mayUse(keychain)) return current.place === "file" ? undefined : await this.#inFile();
    if (current.place === keychain.id) return undefined;
    try {
      return await this.#inKeychain(keychain);
    } catch (thrown) {
      const why = `keeps its key in ${this.#where(current.place)}, as ${keychain.title} is of no use now`;
      throw this.#fault(`${why}: ${messageOf(thrown)}`, thrown);
    }
  }

  /** Removes a key that no vault needs any more; never a file of the user's. */
  async remove({ kid, place }: NeededKey): Promise<void> {
    const { keyFile, keychain } = this.#places;
    try {
      if (place === "file") await Deno.remove(keyFile);
      else if (place === keychain?.id) await keychain.remove(itemOf(kid));
    } catch (thrown) {
      const [where, reason] = [this.#where(place), messageOf(thrown)];
      log.warning("the key in {where} is of no use any more, and cannot be removed: {reason}", {
        where,
        reason,
      });
    }
  }

  async #given(): Promise<PlacedKey> {
    const found = await this.#read("given-file", "");
    if (found === undefined) throw this.#lost("given-file");
    return { key: await this.#remember(found), place: "given-file" };
  }

  async #make(): Promise<PlacedKey> {
    const { vault, keyFile: file, keychain } = this.#places;
    if (!this.#mayUse(keychain) || await this.#readFile(file)) return await this.#inFile();
    try {
      // One for the check before a change, and for the change.
      return this.#made ??= await this.#inKeychain(keychain);
    } catch (thrown) {
      const [title, reason] = [keychain.title, messageOf(thrown)];
      const text = "the key of {vault} goes into {file}, as {title} cannot be used: {reason}";
      log.info(text, { vault, file, title, reason });
      return await this.#inFile();
    }
  }

  #mayUse(keychain: Keychain | undefined): keychain is Keychain {
    return keychain !== undefined && (this.#places.usesKeychain ?? true);
  }

  /** The key in the file of the state directory, made where there is none. */
  async #inFile(): Promise<PlacedKey> {
    const { keyFile } = this.#places;
    const kept = await this.#readFile(keyFile);
    const key = await this.#remember(kept ?? newKey());
    if (!kept) {
      await writeDurably(keyFile, `${base64url(key.bytes)}\n`).catch((thrown) => {
        throw this.#fault(`cannot be written, nor its key in ${keyFile}: ${messageOf(thrown)}`, thrown);
      });
    }
    return { key, place: "file" };
  }

  /** A new key, which the keychain gives again: some take what they do not keep. */
  async #inKeychain(keychain: Keychain): Promise<PlacedKey> {
    const key = await this.#remember(newKey());
    const text = base64url(key.bytes);
    await keychain.set(itemOf(key.kid), text);
    if (await keychain.get(itemOf(key.kid)) === text) return { key, place: keychain.id };
    throw new Error("it does not keep what it is given");
  }

  async #read(place: KeyPlace, kid: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { keyFile, givenFile, keychain } = this.#places;
    if (place === "file") return await this.#readFile(keyFile);
    if (place === "given-file") {
      if (givenFile) return await this.#readFile(givenFile, { isGiven: true });
      throw this.#fault("has its key in a file of the user's; name it: EXAI_VAULT_KEY_FILE=PATH");
    }
    if (keychain?.id !== place) {
      throw this.#fault(`has its key in ${placeTitle(place)}, which is not there; ${this.#advice()}`);
    }
    const text = await this.#ask(keychain, kid);
    return text === undefined ? undefined : this.#parse(text, keychain.title);
  }

  /** Asks once for all who ever want it, whatever comes of it, until {@linkcode askAgain}. */
  async #ask(keychain: Keychain, kid: string): Promise<string | undefined> {
    try {
      return await this.#asked.get(keychain, itemOf(kid));
    } catch (thrown) {
      const why = `has its key in ${keychain.title}, and ${messageOf(thrown)}${this.#then()}`;
      throw this.#fault(why, thrown);
    }
  }

  /** What is to be done once a key can be had. */
  #then(): string {
    const { askedAgainBy: command } = this.#places;
    return command === undefined ? "" : `; then run ${command}`;
  }

  /** @throws {ExaiError} `CONFIG` for a file that others can change or read, or without a key */
  async #readFile(
    path: string,
    { isGiven = false } = {},
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const distrust = whyUntrusted(path);
    if (distrust !== undefined) throw this.#fault(`cannot be opened with the key in ${path}: ${distrust}`);
    if (othersCanRead(path)) {
      const remedy = `chmod 600 ${quoteForShell(path)}`;
      // Containers are given secrets as files that all of their users can read.
      if (!isGiven) throw this.#fault(`cannot be opened, as other users can read its key; ${remedy}`);
      log.warning("other users can read the key in {path}; {remedy}", { path, remedy });
    }
    try {
      return this.#parse(await readRegularFile(path), path);
    } catch (thrown) {
      if (thrown instanceof Deno.errors.NotFound) return undefined;
      if (thrown instanceof ExaiError) throw thrown;
      throw this.#fault(`has its key in ${path}, which cannot be read: ${messageOf(thrown)}`, thrown);
    }
  }

  #parse(text: string, where: string): Uint8Array<ArrayBuffer> {
    registerSecret(text.trim());
    const key = keyIn(text);
    if (key) return key;
    throw this.#fault(`has its key in ${where}, where there is none: 32 bytes in base64, as of ${MAKE_KEY}`);
  }

  async #remember(bytes: Uint8Array<ArrayBuffer>): Promise<VaultKey> {
    const k = base64url(bytes);
    registerSecret(k);
    const { calculateJwkThumbprint } = await import("jose");
    const key = { kid: await calculateJwkThumbprint({ kty: "oct", k }), bytes };
    this.#known.set(key.kid, key);
    return key;
  }

  #where(place: KeyPlace): string {
    if (place === "file") return this.#places.keyFile;
    return place === "given-file" ? this.#places.givenFile ?? "" : placeTitle(place);
  }

  #lost(place: KeyPlace): ExaiError {
    const hint = place === "given-file" ? `, or make one for a new vault: ${MAKE_KEY}` : "";
    return this.#fault(
      `needs the key that was in ${
        this.#where(place)
      }, which is gone; put it back${hint}${this.#then()}; ${this.#advice()}`,
    );
  }

  #advice(): string {
    return `without it, move ${this.#places.vault} away: accounts then sign in again, and secrets are set again`;
  }

  #fault(what: string, cause?: unknown): ExaiError {
    return new ExaiError("CONFIG", `the vault ${this.#places.vault} ${what}`, { cause });
  }
}
