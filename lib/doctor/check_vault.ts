import { ServerCredentials } from "../auth/server_credentials.ts";
import { systemKeychain } from "../auth/system_keychain.ts";
import { messageOf } from "../base/errors.ts";
import { findOwnProgram } from "../client/daemon_program.ts";
import { isThere } from "../config/path_kind.ts";
import { openUserVault, type UserVault } from "../state/user_vault.ts";
import { fault, type Finding, warning } from "./finding.ts";
import type { Installation } from "./installation.ts";

/** The vault of an installation, which is looked at alone. */
function vaultHere({ paths, settings }: Pick<Installation, "paths" | "settings">): UserVault {
  const { vaultKeyFile: keyFile, keychain } = settings;
  return openUserVault({
    paths,
    keyFile,
    keychain: systemKeychain(),
    usesKeychain: keychain === "auto",
    onlyLooks: true,
  });
}

/** What this installation sends to servers, and where it has secrets from: as its daemon does. */
export function credentialsHere(installation: Installation): ServerCredentials {
  const { settings, paths, env, file } = installation;
  const vault = vaultHere(installation);
  // A renewal that was begun is ended by a process of its own, whatever ends this command.
  return new ServerCredentials({
    vault,
    settings,
    paths,
    commands: file.secrets,
    env: { ...env },
    findProgram: findOwnProgram,
  });
}

/** The vault: whether its key can be had, and it can be read. */
export async function checkVault(installation: Installation): Promise<Finding[]> {
  const { paths, file } = installation;
  if (!await isThere(paths.vault)) return [];
  let kept: readonly string[];
  try {
    kept = await vaultHere(installation).secrets.names();
  } catch (thrown) {
    const remedy = "what it says; until then servers that need a login or a secret of it do not work";
    return [fault("vault-unreadable", messageOf(thrown), remedy)];
  }
  const hidden = kept.filter((name) => file.secrets.has(name));
  if (hidden.length === 0) return [];
  const what = `exai.json has programs for secrets that are kept, too, and go unused: ${hidden.join(", ")}`;
  return [warning("secrets-hidden", what, "exai-daemon secret remove NAME, or remove the program")];
}
