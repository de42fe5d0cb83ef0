import { EventEmitter } from "node:events";
import { DEFAULT_ACCOUNT } from "../config/account_choice.ts";
import type { UrlServerConfig } from "../config/server_config.ts";
import { type AccountId, accountKey, type CredentialStore } from "./credential_store.ts";
import { OAuthAccount } from "./oauth/account.ts";
import type { AccountChange, AccountConfig } from "./oauth/account_words.ts";
import type { Revocation } from "./oauth/client_auth.ts";
import { accountResource } from "./oauth/discovery.ts";
import { type Renew, renewTokens } from "./oauth/renew.ts";

export { type OAuthAccount, type Revocation };

/** What names an account: where its server is, and how the user calls it. */
type AccountPlace = Pick<UrlServerConfig, "url" | "account">;

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
  /** Requests are in the name of another person from now on, or perhaps of another. */
  newPerson: [account: OAuthAccount];
  /** Somebody has signed in for all that was needed, here or by another process. */
  newLogin: [account: OAuthAccount];
  /** Requests may work again: after a login, with a token that was renewed, or is not refused any more. */
  usableAgain: [account: OAuthAccount];
  signedOut: [account: OAuthAccount];
  /** It was not used for long; whoever asks for it again gets another object. */
  dropped: [account: OAuthAccount];
}

/** Accounts that are known at once: an address may depend on the directory of the window. */
const MAX_ACCOUNTS = 256;

/** The accounts that this process uses: one object for each, whoever asks. */
export class Accounts extends EventEmitter<AccountEvents> {
  readonly #parts: AccountsParts;
  /** The one that was used last comes last. */
  readonly #accounts = new Map<string, { account: OAuthAccount; oauth: string }>();

  constructor(parts: AccountsParts) {
    super();
    this.#parts = parts;
  }

  /** The account in whose name requests to the server of `config` are; {@linkcode UrlServerConfig.account}. */
  of(config: AccountConfig & AccountPlace): OAuthAccount {
    const id = accountIdOf(config);
    const key = accountKey(id);
    const oauth = JSON.stringify(config.oauth ?? null);
    const known = this.#accounts.get(key);
    this.#accounts.delete(key);
    if (known && known.oauth !== oauth) known.account.configure(config);
    const account = known?.account ?? this.#make(config, id.name);
    this.#accounts.set(key, { account, oauth });
    const [oldest] = this.#accounts;
    if (this.#accounts.size > MAX_ACCOUNTS) this.#drop(...oldest!);
    return account;
  }

  #make(config: AccountConfig, name: string): OAuthAccount {
    const { store, renew = (request) => renewTokens(store, request), metadataUrl } = this.#parts;
    const onChange = (change: AccountChange) => void this.emit(change, account);
    const account: OAuthAccount = new OAuthAccount({ config, name, store, renew, metadataUrl, onChange });
    return account;
  }

  #drop(key: string, { account }: { account: OAuthAccount }): void {
    this.#accounts.delete(key);
    this.emit("dropped", account);
  }

  /** All accounts that were used. */
  get all(): readonly OAuthAccount[] {
    return Array.from(this.#accounts.values(), ({ account }) => account);
  }
}

/** The account in whose name requests to the server of `config` are. */
export function accountIdOf({ url, account = DEFAULT_ACCOUNT }: AccountPlace): AccountId {
  return { resource: accountResource(url), name: account };
}
