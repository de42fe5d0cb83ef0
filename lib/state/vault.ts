import { getLogger } from "@logtape/logtape";
import { dirname } from "@std/path/dirname";
import { KEYCHAIN_WAIT_MS } from "../auth/keychain.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { readRegularFile } from "../config/regular_file.ts";
import { exclusively } from "./exclusive.ts";
import { quarantine } from "./sqlite/quarantine.ts";
import { checkDurable, writeDurably } from "./state_files.ts";
import type { KeyPlace, NeededKey, VaultKeys } from "./vault_key.ts";
import { checkVaultSize } from "./vault_size.ts";
import { DamagedVault, seal, unseal, type VaultContent } from "./vault_seal.ts";

export type { VaultContent };

const log = getLogger(["exai", "state"]);

/** How long another process may take to change the vault: milliseconds, or what a keychain takes to be given a new key. */
const LOCK_WAIT_MS = 3 * KEYCHAIN_WAIT_MS;

const EMPTY: VaultContent = {};

interface VaultOptions {
  paths: { vault: string; vaultLock: string };
  keys: VaultKeys;
  /** Told that the vault could not be read and was put aside, in a sentence. */
  onQuarantine?: (note: string) => void;
  /** Whether a vault that cannot be read is left where it is, whatever is done with it, and that is an error. */
  onlyLooks?: boolean;
}

interface Room {
  /** Bytes to leave free: {@linkcode SPARE_BYTES} for what was not kept before. */
  spareBytes?: number;
}

/** What a vault was when it was read last. */
interface VaultReading {
  text: string;
  content: VaultContent;
  needs: NeededKey;
}

/**
 * Accounts and secrets on disk: one encrypted file, replaced as a whole under a lock, so that daemons and commands of one
 * home can use it at once, and a process that is killed leaves the content of before or that of after. A vault that no key
 * opens is put aside, and a new one begun; while a key cannot be had, nothing is written.
 */
export class Vault {
  readonly #path: string;
  readonly #lockPath: string;
  readonly keys: VaultKeys;
  readonly #onQuarantine: (note: string) => void;
  readonly #onlyLooks: boolean;
  #last: VaultReading | undefined;

  constructor({ paths, keys, onQuarantine, onlyLooks = false }: VaultOptions) {
    this.#path = paths.vault;
    this.#lockPath = paths.vaultLock;
    this.keys = keys;
    this.#onQuarantine = onQuarantine ?? (() => {});
    this.#onlyLooks = onlyLooks;
  }

  /**
   * What is on disk now.
   *
   * @throws {ExaiError} `CONFIG` when it cannot be read, with what to do
   */
  async read(): Promise<VaultContent> {
    try {
      return (await this.#read())?.content ?? EMPTY;
    } catch (thrown) {
      if (!(thrown instanceof DamagedVault)) throw thrown;
      // Another process may have put it aside since.
      return await this.#locked(async () => (await this.#readOrPutAside())?.content ?? EMPTY);
    }
  }

  /**
   * Puts what `change` makes of the content in its place: on disk before this resolves, whole or not at all.
   *
   * @throws {ExaiError} `CONFIG` when it cannot be read or written, or becomes too large, with what to do; it is as it
   * was then
   */
  async change(
    change: (before: VaultContent) => VaultContent,
    { spareBytes = 0 }: Room = {},
  ): Promise<void> {
    await this.getKey();
    await this.#locked(async () => {
      const before = await this.#readOrPutAside();
      const content = change(before?.content ?? EMPTY);
      if (content === (before?.content ?? EMPTY)) return;
      const text = await seal(content, await this.keys.forWriting(before?.needs));
      checkVaultSize(this.#path, text, content, spareBytes);
      await this.#write(() => writeDurably(this.#path, text));
      this.#last = undefined;
    });
  }

  /**
   * Checks that a change could be written now, before something is done that must be kept: a token that was renewed and
   * cannot be written is lost.
   *
   * @throws {ExaiError} as {@linkcode change}
   */
  async check({ spareBytes = 0 }: Room = {}): Promise<void> {
    await this.getKey();
    await this.#locked(async () => {
      const before = await this.#readOrPutAside();
      const content = before?.content ?? EMPTY;
      const text = await seal(content, await this.keys.forWriting(before?.needs));
      checkVaultSize(this.#path, text, content, spareBytes);
      await this.#write(() => checkDurable(this.#path, text));
    });
  }

  /**
   * Encrypts the vault with another key, where that of a new vault would be.
   *
   * @returns where the key was and is; undefined where there is no vault
   * @throws {ExaiError} `CONFIG` when that place cannot be used, with why; it is as it was then
   */
  async moveKey(): Promise<{ from: KeyPlace; to: KeyPlace } | undefined> {
    await this.getKey();
    return await this.#locked(async () => {
      const before = await this.#readOrPutAside();
      if (!before) return undefined;
      const { content, needs } = before;
      const fresh = await this.keys.forMoving(needs);
      if (!fresh) return { from: needs.place, to: needs.place };
      const text = await seal(content, fresh);
      await this.#write(() => writeDurably(this.#path, text));
      this.#last = undefined;
      // Only now: until it is replaced, the vault needs it.
      await this.keys.remove(needs);
      return { from: needs.place, to: fresh.place };
    });
  }

  /**
   * Gets the key of the vault that there is. Before a lock is taken: a keychain may ask its user, and whoever has the key
   * already is not to wait for that.
   *
   * @throws {ExaiError} `CONFIG` when it cannot be had, with what to do
   */
  async getKey(): Promise<void> {
    try {
      await this.#read();
    } catch (thrown) {
      if (!(thrown instanceof DamagedVault)) throw thrown;
    }
  }

  async #locked<T>(work: () => Promise<T>): Promise<T> {
    // A command may be what EXAI is used with first. Where it cannot be made, the lock says why.
    await Deno.mkdir(dirname(this.#lockPath), { recursive: true, mode: 0o700 }).catch(() => {});
    return await exclusively(this.#lockPath, { waitMs: LOCK_WAIT_MS, what: this.#path }, work);
  }

  /** Undefined where there is no vault. */
  async #read(): Promise<VaultReading | undefined> {
    let text: string;
    try {
      text = await readRegularFile(this.#path);
    } catch (thrown) {
      if (thrown instanceof Deno.errors.NotFound) return undefined;
      throw this.#fault("cannot be read", thrown);
    }
    if (text !== this.#last?.text) this.#last = { text, ...await this.#unseal(text) };
    return this.#last;
  }

  async #unseal(text: string) {
    try {
      return await unseal(text, this.keys);
    } catch (thrown) {
      if (thrown instanceof DamagedVault && this.#onlyLooks) throw this.#fault("is of no use", thrown);
      throw thrown;
    }
  }

  /** Call it under the lock. */
  async #readOrPutAside(): Promise<VaultReading | undefined> {
    try {
      return await this.#read();
    } catch (thrown) {
      if (!(thrown instanceof DamagedVault)) throw thrown;
      let to: string;
      try {
        to = quarantine(this.#path);
      } catch (failure) {
        throw this.#fault(`is of no use (${thrown.message}) and cannot be put aside`, failure);
      }
      const note =
        `the vault ${this.#path} is of no use (${thrown.message}); it is now ${to}, and a new one ` +
        "is begun: accounts have to sign in again, and secrets to be set again";
      log.error("{note}", { note });
      this.#onQuarantine(note);
      return undefined;
    }
  }

  async #write(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (thrown) {
      throw this.#fault("cannot be written", thrown);
    }
  }

  #fault(what: string, thrown: unknown): ExaiError {
    return new ExaiError("CONFIG", `the vault ${this.#path} ${what}: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}
