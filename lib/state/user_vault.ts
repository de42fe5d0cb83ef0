import type { CredentialStore } from "../auth/credential_store.ts";
import type { Keychain } from "../auth/keychain.ts";
import type { SecretStore } from "../auth/secret_store.ts";
import type { StatePaths } from "../config/paths.ts";
import { VaultCredentialStore } from "./account_store.ts";
import { Vault } from "./vault.ts";
import { type KeyPlace, VaultKeys } from "./vault_key.ts";
import { VaultSecretStore } from "./vault_secrets.ts";

export interface UserVaultOptions {
  paths: StatePaths;
  /** The file with the key, as the user has set it; empty: none. */
  keyFile?: string;
  /** The keychain of the system, where there is one. */
  keychain?: Keychain;
  /** Whether the key of a new vault may go into the keychain. */
  usesKeychain?: boolean;
  /** Told that the vault could not be read and was put aside, in a sentence. */
  onQuarantine?: (note: string) => void;
  /** Whether a vault that cannot be read is left where it is, whatever is done with it, and that is an error. */
  onlyLooks?: boolean;
  /** What a person is to run once the keychain is unlocked; undefined: what was run before, again. */
  askedAgainBy?: string;
}

/** What is kept in the vault of a home. */
export interface UserVault {
  credentials: CredentialStore;
  secrets: SecretStore;
  /**
   * Has a keychain that gave no key asked once more when it is needed next; whether there is one. Until then it is asked
   * once: each time its user may be asked for a password, and whoever needs the key would wait for that.
   */
  askAgain(): boolean;
  /**
   * Moves the key to where that of a new vault would be: {@linkcode Vault.moveKey}.
   *
   * @param from a file with the key, where that is one of the user's
   */
  moveKey(from?: string): Promise<{ from: KeyPlace; to: KeyPlace } | undefined>;
}

/** The vault of a home. Nothing is read or made before it is needed. */
export function openUserVault(
  { paths, keyFile, onQuarantine, onlyLooks, ...options }: UserVaultOptions,
): UserVault {
  const keys = new VaultKeys({
    vault: paths.vault,
    keyFile: paths.vaultKey,
    givenFile: keyFile,
    ...options,
  });
  const vault = new Vault({ paths, keys, onQuarantine, onlyLooks });
  return {
    credentials: new VaultCredentialStore(vault, paths.accountLocks),
    secrets: new VaultSecretStore(vault, "the encrypted vault"),
    askAgain: () => keys.askAgain(),
    async moveKey(from) {
      if (from !== undefined) await keys.useFile(from);
      return await vault.moveKey();
    },
  };
}
