import { ExaiError } from "../../base/errors.ts";
import { DEFAULT_ACCOUNT, loginCommand } from "../../config/account_choice.ts";
import type { UrlServerConfig } from "../../config/server_config.ts";
import type { AccountId, CredentialStore, KeptCredentials } from "../credential_store.ts";
import { sayWhy } from "./auth_faults.ts";
import { AuthServerError } from "./auth_fetch.ts";
import type { Renew } from "./renew.ts";

/** What an account needs of the entry of its server. */
export type AccountConfig = Pick<UrlServerConfig, "name" | "title" | "url" | "oauth">;

/** Something that listeners of all accounts are told of one. */
export type AccountChange = "loginRequired" | "newPerson" | "newLogin" | "usableAgain" | "signedOut";

export interface OAuthAccountParts {
  config: AccountConfig;
  /** The account, as the user calls it. */
  name: string;
  store: CredentialStore;
  renew: Renew;
  /** Where a document that describes EXAI as a client is published; undefined: nowhere. */
  metadataUrl?: string;
  onChange(change: AccountChange): void;
}

/** How an account stands, for people. */
export interface AccountStatus {
  state: "signed_in" | "login_required" | "signed_out";
  issuer?: string;
  scope?: string;
  /** When the access token ends, in milliseconds since 1970; undefined: not known. */
  expiresAtMs?: number;
  /** Whether it is renewed without a login. */
  isRenewed: boolean;
  why?: string;
}

/** The error of a request that needs a login first. */
export function loginRequired(
  { title, name }: AccountConfig,
  { name: account }: AccountId,
  why: string | undefined,
): ExaiError {
  const as = account === DEFAULT_ACCOUNT ? "" : ` as ${account}`;
  const because = why === undefined ? "" : `: ${why}`;
  const what = `server "${title}" needs you to sign in${as}${because}`;
  return new ExaiError("LOGIN_REQUIRED", `${what}; run ${loginCommand({ server: name, account })}`, {
    details: { server: name, account, what, outcome: "not_run" },
  });
}

interface FaultParts {
  config: AccountConfig;
  id: AccountId;
  kept: KeptCredentials | undefined;
  /** What else an authorization server may have repeated. */
  secrets: readonly (string | null)[];
}

/** The error for what went wrong with an authorization server; an {@linkcode ExaiError} is one already. */
export function loginFault(thrown: unknown, { config, id, kept, secrets }: FaultParts): ExaiError {
  if (thrown instanceof ExaiError) return thrown;
  const { tokens, clients = {} } = kept ?? {};
  const why = sayWhy(thrown, [
    ...Object.values(clients).map(({ client_secret: secret }) => secret),
    config.oauth ? config.oauth.clientSecret : undefined,
    tokens?.access_token,
    tokens?.refresh_token,
    ...secrets.map((it) => it ?? undefined),
  ]);
  return new ExaiError("UPSTREAM_UNAVAILABLE", `server "${config.title}" cannot be signed in to: ${why}`, {
    cause: thrown instanceof AuthServerError ? thrown : undefined,
    details: { server: config.name, account: id.name, outcome: "not_run" },
  });
}
