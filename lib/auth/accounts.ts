import { EventEmitter } from "node:events";
import type { UrlServerConfig } from "../config/server_config.ts";
import type { CredentialStore } from "./credential_store.ts";
import { OAuthAccount } from "./oauth/account.ts";
import type { AccountChange } from "./oauth/account_words.ts";
import { accountResource } from "./oauth/discovery.ts";
import { type Renew, type Renewal, type RenewRequest, renewTokens } from "./oauth/renew.ts";

export { type OAuthAccount, type Renewal, type RenewRequest, renewTokens };

interface AccountsParts {
  store: CredentialStore;
  /** How tokens are renewed; by this process where it is left out. */
  renew?: Renew;
  /** Where a document that describes EXAI as a client is published; undefined: nowhere. */
  metadataUrl?: string;
}

interface AccountEvents {
  /** Requests are refused until somebody signs in: once until somebody has. Not where one wants a wider scope only. */
  loginRequired: [account: OAuthAccount];
  /** Somebody has signed in, here or by another process. */
  signedIn: [account: OAuthAccount];
  signedOut: [account: OAuthAccount];
}

/** The accounts that this process uses: one object for each, whoever asks. */
export class Accounts extends EventEmitter<AccountEvents> {
  readonly #parts: AccountsParts;
  readonly #accounts = new Map<string, { account: OAuthAccount; oauth: string }>();

  constructor(parts: AccountsParts) {
    super();
    this.#parts = parts;
  }

  /** The account in whose name requests to the server of `config` are; {@linkcode UrlServerConfig.account}. */
  of(config: Pick<UrlServerConfig, "name" | "title" | "url" | "oauth" | "account">): OAuthAccount {
    const { account: name = "default" } = config;
    const key = JSON.stringify([accountResource(config.url), name]);
    const oauth = JSON.stringify(config.oauth ?? null);
    const known = this.#accounts.get(key);
    if (known) {
      if (known.oauth !== oauth) known.account.configure(config);
      known.oauth = oauth;
      return known.account;
    }
    const { store, renew = (request) => renewTokens(store, request), metadataUrl } = this.#parts;
    const onChange = (change: AccountChange) => void this.emit(change, account);
    const account: OAuthAccount = new OAuthAccount({ config, name, store, renew, metadataUrl, onChange });
    this.#accounts.set(key, { account, oauth });
    return account;
  }

  /** All accounts that were used. */
  get all(): readonly OAuthAccount[] {
    return Array.from(this.#accounts.values(), ({ account }) => account);
  }
}
