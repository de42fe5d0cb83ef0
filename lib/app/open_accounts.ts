import { Accounts } from "../auth/accounts.ts";
import { systemKeychain } from "../auth/system_keychain.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type { DatabaseEvents } from "../state/resilient_database.ts";
import { openUserVault, type UserVault } from "../state/user_vault.ts";
import { RenewalProcess } from "./renewal_process.ts";

type VaultSettings = Pick<Settings, "vaultKeyFile" | "keychain">;

/** The vault of a home. Nothing is read or made before it is needed. */
export function openVault(
  { vaultKeyFile: keyFile, keychain }: VaultSettings,
  paths: StatePaths,
  { onQuarantine }: DatabaseEvents = {},
): UserVault {
  return openUserVault({
    paths,
    keyFile,
    keychain: systemKeychain(),
    usesKeychain: keychain === "auto",
    askedAgainBy: "exai-daemon reload",
    onQuarantine,
  });
}

/** The accounts at servers, kept in a vault. Nothing is read before an account is used. */
export function openAccounts(
  settings: VaultSettings & Pick<Settings, "clientMetadataUrl">,
  paths: StatePaths,
  { credentials }: UserVault,
): Accounts {
  // What another process needs to find the same vault.
  const env = {
    EXAI_HOME: paths.home,
    EXAI_VAULT_KEY_FILE: settings.vaultKeyFile,
    EXAI_KEYCHAIN: settings.keychain,
  };
  const process = new RenewalProcess(credentials, env);
  return new Accounts({
    store: credentials,
    renew: (request) => process.renew(request),
    metadataUrl: settings.clientMetadataUrl || undefined,
  });
}
