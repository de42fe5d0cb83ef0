import { Accounts } from "../auth/accounts.ts";
import { systemKeychain } from "../auth/system_keychain.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type { DatabaseEvents } from "../state/resilient_database.ts";
import { openUserVault } from "../state/user_vault.ts";

/** The accounts at servers, kept in the vault of the home. Nothing is read before an account is used. */
export function openAccounts(
  { vaultKeyFile: keyFile, keychain, clientMetadataUrl }: Settings,
  paths: StatePaths,
  { onQuarantine }: DatabaseEvents = {},
): Accounts {
  const { credentials } = openUserVault({
    paths,
    keyFile,
    keychain: systemKeychain(),
    usesKeychain: keychain === "auto",
    onQuarantine,
  });
  return new Accounts({ store: credentials, metadataUrl: clientMetadataUrl || undefined });
}
