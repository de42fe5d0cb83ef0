import { assertRejects } from "@std/assert";
import { Accounts } from "../../lib/auth/accounts.ts";
import type { OAuthAccount } from "../../lib/auth/oauth/account.ts";
import { ExaiError } from "../../lib/base/errors.ts";
import type { UrlServerConfig } from "../../lib/config/server_config.ts";
import { ServerEndpoint } from "../../lib/remote/server_endpoint.ts";
import { MemoryCredentials } from "./memory_credentials.ts";
import { ScriptedAuth, signIn } from "./scripted_auth.ts";

/** Where answers of authorization servers go; nothing listens there. */
export const CALLBACK = "http://127.0.0.1:9/callback";
const signal = new AbortController().signal;

/** An account at a scripted server, with its store in memory, and requests to that server. */
export class Rig implements AsyncDisposable {
  readonly auth: ScriptedAuth;
  readonly store = new MemoryCredentials();
  readonly accounts: Accounts;
  readonly account: OAuthAccount;
  readonly events: string[] = [];
  readonly endpoint: ServerEndpoint;
  readonly config: UrlServerConfig;

  constructor(
    script: ConstructorParameters<typeof ScriptedAuth>[0] = {},
    oauth?: UrlServerConfig["oauth"],
    metadataUrl?: string,
  ) {
    this.auth = new ScriptedAuth(script);
    this.accounts = new Accounts({ store: this.store, metadataUrl });
    this.accounts.on("loginRequired", () => void this.events.push("login required"));
    this.accounts.on("usableAgain", () => void this.events.push("signed in"));
    this.config = this.configOf(oauth);
    this.account = this.accounts.of(this.config);
    this.endpoint = this.endpointOf(this.account);
  }

  configOf(oauth: UrlServerConfig["oauth"]): UrlServerConfig {
    return { name: "far", title: "far", url: this.auth.url, headers: {}, oauth } as never as UrlServerConfig;
  }

  endpointOf(authorization: OAuthAccount): ServerEndpoint {
    const config = { url: this.auth.url, headers: {}, startTimeoutMs: 5000 };
    return new ServerEndpoint(config, { fetch, authorization });
  }

  async call(endpoint = this.endpoint): Promise<{ scope: string }> {
    return await (await endpoint.fetch({ method: "POST", body: "{}", signal })).json();
  }

  async login(): Promise<void> {
    await loginOf(this.account);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.auth[Symbol.asyncDispose]();
  }
}

/** The error that `work` fails with. */
export async function failure(work: () => Promise<unknown>): Promise<ExaiError> {
  return await assertRejects(work, ExaiError);
}

/** Has what `work` does happen `ms` later. */
export async function later<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const { now } = performance;
  performance.now = () => now.call(performance) + ms;
  try {
    return await withClock(ms, work);
  } finally {
    performance.now = now;
  }
}

/** Has the clock be `ms` ahead of what it was while `work` runs. */
export async function withClock<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const { now } = Date;
  Date.now = () => now() + ms;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

/** A person signs in in a browser. */
export async function loginOf(account: OAuthAccount): Promise<void> {
  const { authorizationUrl } = await account.beginLogin({ redirectUrl: CALLBACK });
  await account.finishLogin(await signIn(authorizationUrl));
}

/** Signs in the person `sub` of the issuer, which it does not tell of undefined. */
export async function signInAs(
  auth: ScriptedAuth,
  account: OAuthAccount,
  sub: string | undefined,
): Promise<void> {
  const [header, claims] = [{ alg: "RS256" }, { sub }].map((part) =>
    new TextEncoder().encode(JSON.stringify(part)).toBase64({ alphabet: "base64url", omitPadding: true })
  );
  auth.script.token = (params) => {
    const access_token = `of-${params.get("code")}`;
    auth.access.set(access_token, { scope: "", untilMs: Infinity });
    return Response.json({ access_token, token_type: "Bearer", id_token: `${header}.${claims}.c2ln` });
  };
  await loginOf(account);
  await account.headersFor({ url: new URL(account.id.resource) });
}
