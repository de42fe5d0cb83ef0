import { HeadersHelpers } from "../auth/headers_helper.ts";
import { joinedAuthorization } from "../auth/joined_authorization.ts";
import { HelperPrograms } from "../auth/helper_programs.ts";
import { PunctualSecrets } from "../auth/punctual_secrets.ts";
import { StoredSecrets } from "../auth/stored_secrets.ts";
import { SECOND_MS } from "../base/units.ts";
import { isStartedByShim } from "../config/daemon_environment.ts";
import type { ConfiguredSecrets } from "../config/program_settings.ts";
import type { SecretReader } from "../config/secrets.ts";
import type { UrlServerConfig } from "../config/server_config.ts";
import type { ServerAuthorization } from "../remote/authorization.ts";
import type { UserVault } from "../state/user_vault.ts";

/** How long the start waits for a secret. */
const WAIT_MS = 5 * SECOND_MS;

/** Where a daemon has the secrets from that its configuration names, and headers that programs print. */
export class DaemonSecrets implements AsyncDisposable {
  /**
   * Called when what names secrets is to be read again: other programs give them, one has come that was late, or a keychain
   * may be unlocked.
   */
  onChange: (() => void) | undefined;
  /** What configurations are read with that the first window waits for. */
  readonly punctual: SecretReader;
  readonly #programs: HelperPrograms;
  readonly #vault: UserVault;
  readonly #stored: StoredSecrets;
  readonly #helpers: HeadersHelpers;

  /** @param commands the programs that `exai.json` names, by the names of the secrets they print */
  constructor(vault: UserVault, commands: ConfiguredSecrets["commands"]) {
    this.#vault = vault;
    const env = Deno.env.toObject();
    this.#programs = new HelperPrograms({ env, login: isStartedByShim() ? env : undefined });
    const programs = this.#programs;
    this.#stored = new StoredSecrets({
      store: vault.secrets,
      programs,
      commands,
      onChange: () => this.onChange?.(),
    });
    this.#helpers = new HeadersHelpers({ programs });
    this.punctual = new PunctualSecrets(this.#stored, { waitMs: WAIT_MS, onLate: () => this.onChange?.() });
  }

  /** What settings are read with. */
  get reader(): ConfiguredSecrets {
    return this.#stored;
  }

  /** Has programs asked again for secrets when these are needed next, and a keychain that gave no key. */
  forget(): void {
    this.#stored.forget();
    this.#vault.askAgain();
  }

  /** Has what could not be read read again if a keychain gave no key: a person is there, who may have unlocked it. */
  askAgain(): void {
    if (this.#vault.askAgain()) this.onChange?.();
  }

  /** Forgets the programs that print headers for other servers than these. */
  keepHelpersOf(servers: ReadonlyMap<string, unknown>): void {
    this.#helpers.keep(new Set(servers.keys()));
  }

  /** What authorizes the requests to a server: its account, and the program that prints headers, as far as it has them. */
  authorizationOf(
    config: UrlServerConfig,
    account: ServerAuthorization | undefined,
  ): ServerAuthorization | undefined {
    const helper = this.#helpers.of(config);
    return helper && account ? joinedAuthorization(helper, account) : helper ?? account;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#programs[Symbol.asyncDispose]();
  }
}
