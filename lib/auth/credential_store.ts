// @ts-types="@modelcontextprotocol/client"
import type {
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from "@modelcontextprotocol/client";

/** An account at a server: whose name the tokens are in. */
export interface AccountId {
  /** The URL of the server, with a digest in place of its query, which may hold a key. */
  resource: string;
  /** As the user calls it; `default` where there is one. */
  name: string;
}

/** The key of an account, whatever object stands for it: unlike a text with a separator, no two accounts have the same. */
export function accountKey({ resource, name }: AccountId): string {
  return JSON.stringify([resource, name]);
}

/** A login that a person has made. */
export interface KeptLogin {
  /** Tells it from any other. */
  id: string;
  /** A digest of whom the authorization server calls the person; undefined: not known. */
  subject?: string;
}

/** What is kept of an account. Registrations and tokens carry the issuer they are from and go to no other (SEP-2352). */
export interface KeptCredentials {
  /** Registrations with authorization servers, by issuer. */
  clients: Readonly<Record<string, StoredOAuthClientInformation>>;
  tokens?: StoredOAuthTokens;
  /** When the access token ends, in milliseconds since 1970; undefined: not known. */
  expiresAtMs?: number;
  discovery?: OAuthDiscoveryState;
  /** The login that the tokens come from, however often they were renewed; undefined: a machine has none. */
  login?: KeptLogin;
  /** All scopes that were ever asked for: what a step-up adds to. */
  scope?: string;
}

/** Keeps accounts on disk, for all daemons and commands of one home. */
export interface CredentialStore {
  /** What is on disk now. */
  read(id: AccountId): Promise<KeptCredentials | undefined>;

  /**
   * Gives `change` what is on disk while no other process changes the account, and puts what it returns in its place:
   * on disk before this resolves, whole or not at all. Undefined removes the account.
   */
  change(
    id: AccountId,
    change: (before: KeptCredentials | undefined) => Promise<KeptCredentials | undefined>,
  ): Promise<KeptCredentials | undefined>;

  list(): Promise<readonly AccountId[]>;

  /**
   * What another process of this program needs to open the store, so that no person is asked for a password again. They
   * are secret, and go to that process's standard input alone.
   */
  readonly keys?: readonly string[];

  /** Takes over the {@linkcode keys} of another process. */
  useKeys?(keys: readonly string[]): Promise<void>;
}
