import { PunctualSecrets } from "../auth/punctual_secrets.ts";
import { systemKeychain } from "../auth/system_keychain.ts";
import { ServerCredentials, type ServerCredentialsParts } from "../auth/server_credentials.ts";
import { SECOND_MS } from "../base/units.ts";
import { findOwnProgram } from "../client/daemon_program.ts";
import { isStartedByShim } from "../config/daemon_environment.ts";
import type { StatePaths } from "../config/paths.ts";
import type { SecretReader } from "../config/secrets.ts";
import type { Settings } from "../config/settings.ts";
import type { DatabaseEvents } from "../state/resilient_database.ts";
import { openUserVault, type UserVault } from "../state/user_vault.ts";

/** How long the start waits for a secret. */
const WAIT_MS = 5 * SECOND_MS;

/** The vault of a home. Nothing is read or made before it is needed. */
export function openVault(
  { vaultKeyFile: keyFile, keychain }: Pick<Settings, "vaultKeyFile" | "keychain">,
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

/** Where a daemon has the secrets from that its configuration names, and what it sends to servers. */
export class DaemonSecrets extends ServerCredentials {
  /** What configurations are read with that the first window waits for. */
  readonly punctual: SecretReader;
  readonly #vault: UserVault;

  constructor(parts: Pick<ServerCredentialsParts, "settings" | "paths" | "commands"> & { vault: UserVault }) {
    const env = Deno.env.toObject();
    super({ ...parts, env, login: isStartedByShim() ? env : undefined, findProgram: findOwnProgram });
    this.punctual = new PunctualSecrets(this.reader, { waitMs: WAIT_MS, onLate: () => this.onChange?.() });
    this.#vault = parts.vault;
  }

  /** Has programs asked again for secrets when these are needed next, and a keychain that gave no key. */
  override forget(): void {
    super.forget();
    this.#vault.askAgain();
  }

  /** Has what could not be read read again if a keychain gave no key: a person is there, who may have unlocked it. */
  askAgain(): void {
    if (this.#vault.askAgain()) this.onChange?.();
  }
}
