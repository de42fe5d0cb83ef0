import { Accounts } from "../auth/accounts.ts";
import { systemKeychain } from "../auth/system_keychain.ts";
import type { StatePaths } from "../config/paths.ts";
import type { ServerConfig } from "../config/server_config.ts";
import type { Settings } from "../config/settings.ts";
import type { ServerAuthorization } from "../remote/authorization.ts";
import { openUserVault, type UserVault } from "../state/user_vault.ts";
import { renewByProcess } from "./renewal_process.ts";

type VaultSettings = Pick<Settings, "vaultKeyFile" | "keychain">;

/** What servers behind URLs are signed in to with. */
export interface ServerSignIn {
  vault: UserVault;
  accounts: Accounts;
  /** What authorizes the requests to the server of `config`, which is bound to a session; undefined: its headers alone. */
  authorizationOf(config: ServerConfig): ServerAuthorization | undefined;
}

/** Opens the vault of a home; nothing is read before it is needed. */
export function openVault(
  paths: StatePaths,
  { vaultKeyFile: keyFile, keychain }: VaultSettings,
  onQuarantine?: (note: string) => void,
): UserVault {
  const usesKeychain = keychain === "auto";
  return openUserVault({ paths, keyFile, keychain: systemKeychain(), usesKeychain, onQuarantine });
}

/** Opens what a daemon signs in with. */
export function openSignIn(
  paths: StatePaths,
  settings: VaultSettings & Pick<Settings, "clientMetadataUrl">,
  onQuarantine: (note: string) => void,
): ServerSignIn {
  const vault = openVault(paths, settings, onQuarantine);
  const env = {
    EXAI_HOME: paths.home,
    EXAI_VAULT_KEY_FILE: settings.vaultKeyFile,
    EXAI_KEYCHAIN: settings.keychain,
  };
  const accounts = new Accounts({
    store: vault.credentials,
    renew: (request) => renewByProcess(vault.credentials, request, env),
    metadataUrl: settings.clientMetadataUrl || undefined,
  });
  return { vault, accounts, authorizationOf: (config) => accountOf(accounts, config) };
}

function accountOf(accounts: Accounts, config: ServerConfig): ServerAuthorization | undefined {
  if (config.kind === "stdio" || config.oauth === false) return undefined;
  // The user's own token is what the server is to get.
  const hasToken = Object.keys(config.headers).some((name) => name.toLowerCase() === "authorization");
  return hasToken && config.oauth === undefined ? undefined : accounts.of(config);
}
