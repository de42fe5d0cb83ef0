import { mayBeSignedInTo } from "../config/account_choice.ts";
import type { StatePaths } from "../config/paths.ts";
import type { ConfiguredSecrets } from "../config/program_settings.ts";
import type { UrlServerConfig } from "../config/server_config.ts";
import type { Settings } from "../config/settings.ts";
import type { ServerAuthorization } from "../remote/authorization.ts";
import { Accounts } from "./accounts.ts";
import type { CredentialStore } from "./credential_store.ts";
import { HeadersHelpers } from "./headers_helper.ts";
import { HelperPrograms } from "./helper_programs.ts";
import { joinedAuthorization } from "./joined_authorization.ts";
import { type FindOwnProgram, RenewalProcess } from "./renewal_process.ts";
import type { SecretStore } from "./secret_store.ts";
import { StoredSecrets } from "./stored_secrets.ts";

export interface ServerCredentialsParts {
  vault: { credentials: CredentialStore; secrets: SecretStore };
  settings: Pick<Settings, "vaultKeyFile" | "keychain" | "clientMetadataUrl">;
  paths: Pick<StatePaths, "home">;
  /** The programs that `exai.json` names, by the names of the secrets they print. */
  commands: ConfiguredSecrets["commands"];
  /** The environment of this process. */
  env: Record<string, string>;
  /** That of the user's login shell, where it is known already. */
  login?: Record<string, string>;
  findProgram: FindOwnProgram;
}

/**
 * What requests to servers are authorized with, the same for a daemon and for a command that reaches servers itself:
 * accounts, whose tokens a process of its own renews, programs that print headers, and the secrets that configurations name.
 */
export class ServerCredentials implements AsyncDisposable {
  readonly accounts: Accounts;
  /**
   * Called when what names secrets is to be read again: other programs give them, one has come that was late, or a keychain
   * may be unlocked.
   */
  onChange: (() => void) | undefined;
  readonly #programs: HelperPrograms;
  readonly #stored: StoredSecrets;
  readonly #helpers: HeadersHelpers;
  readonly #renewals: RenewalProcess;

  constructor({ vault, settings, paths, commands, env, login, findProgram }: ServerCredentialsParts) {
    this.#programs = new HelperPrograms({ env, login });
    const { credentials: store, secrets } = vault;
    const programs = this.#programs;
    this.#stored = new StoredSecrets({
      store: secrets,
      programs,
      commands,
      onChange: () => this.onChange?.(),
    });
    this.#helpers = new HeadersHelpers({ programs });
    // What another process needs to find the same vault.
    const place = {
      EXAI_HOME: paths.home,
      EXAI_VAULT_KEY_FILE: settings.vaultKeyFile,
      EXAI_KEYCHAIN: settings.keychain,
    };
    this.#renewals = new RenewalProcess({ store, env: place, findProgram });
    this.accounts = new Accounts({
      store,
      renew: (request) => this.#renewals.renew(request),
      metadataUrl: settings.clientMetadataUrl || undefined,
    });
  }

  /** What settings and configurations are read with. */
  get reader(): ConfiguredSecrets {
    return this.#stored;
  }

  /** Has programs asked again for secrets when these are needed next. */
  forget(): void {
    this.#stored.forget();
  }

  /** Forgets the programs that print headers for other servers than these. */
  keepHelpersOf(servers: ReadonlyMap<string, unknown>): void {
    this.#helpers.keep(new Set(servers.keys()));
  }

  /** What authorizes the requests to a server: its account, and the program that prints headers, as far as it has them. */
  authorizationOf(
    config: UrlServerConfig,
    account: ServerAuthorization | undefined = mayBeSignedInTo(config) ? this.accounts.of(config) : undefined,
  ): ServerAuthorization | undefined {
    const helper = this.#helpers.of(config);
    return helper && account ? joinedAuthorization(helper, account) : helper ?? account;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#renewals[Symbol.dispose]();
    await this.#programs[Symbol.asyncDispose]();
  }
}
