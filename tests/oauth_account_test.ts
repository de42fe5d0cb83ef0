import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { Accounts } from "../lib/auth/accounts.ts";
import type { OAuthAccount } from "../lib/auth/oauth/account.ts";
import { ExaiError } from "../lib/base/errors.ts";
import type { UrlServerConfig } from "../lib/config/server_config.ts";
import { HttpStatusError } from "../lib/remote/http_errors.ts";
import { ServerEndpoint } from "../lib/remote/server_endpoint.ts";
import { MemoryCredentials } from "./helpers/memory_credentials.ts";
import { until } from "./helpers/until.ts";
import { refuse, ScriptedAuth, signIn } from "./helpers/scripted_auth.ts";

const CALLBACK = "http://127.0.0.1:9/callback";
const signal = new AbortController().signal;

class Rig implements AsyncDisposable {
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
    this.accounts.on("signedIn", () => void this.events.push("signed in"));
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
    const { authorizationUrl } = await this.account.beginLogin({ redirectUrl: CALLBACK });
    await this.account.finishLogin(await signIn(authorizationUrl));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.auth[Symbol.asyncDispose]();
  }
}

async function failure(work: () => Promise<unknown>): Promise<ExaiError> {
  return await assertRejects(work, ExaiError);
}

/** Has the tokens that are kept be `seconds` older. */
async function age(rig: Rig, seconds: number): Promise<void> {
  await rig.store.change(
    rig.account.id,
    (kept) => Promise.resolve({ ...kept!, expiresAtMs: kept!.expiresAtMs! - seconds * 1000 }),
  );
}

Deno.test("a server that refuses is signed in to by what it publishes, and then used", async () => {
  await using rig = new Rig({ challenge: "read", rotates: true });
  const error = await failure(() => rig.call());
  assertEquals([error.code, error.details!.outcome], ["LOGIN_REQUIRED", "not_run"]);
  assertStringIncludes(error.message, "exai-daemon auth login far");
  await rig.login();
  assertEquals(await rig.call(), { scope: "read" });
  assertEquals(rig.events, ["login required", "signed in"]);
  const [asked] = rig.auth.authorizations;
  assertEquals([asked!.get("resource"), asked!.get("code_challenge_method")], [rig.auth.url, "S256"]);
  assertEquals(rig.auth.tokenRequests[0]!.get("resource"), rig.auth.url);
  const [registered] = rig.auth.registrations;
  assertEquals([registered!.application_type, registered!.grant_types, registered!.redirect_uris], [
    "native",
    ["authorization_code", "refresh_token"],
    [CALLBACK],
  ]);
});

Deno.test("a server that was not asked yet is signed in to all the same", async () => {
  await using rig = new Rig({ challenge: "read" });
  await rig.login();
  assertEquals(await rig.call(), { scope: "read" });
});

Deno.test("a server that refuses without a way to sign in is what it was, and not asked again and again", async () => {
  await using rig = new Rig({ resourceMetadata: null });
  await assertRejects(() => rig.call(), HttpStatusError, "401");
  const before = rig.auth.asked.length;
  await assertRejects(() => rig.call(), HttpStatusError, "401");
  assertEquals([rig.auth.asked.length - before, rig.events], [1, []]);
  assertStringIncludes((await failure(() => rig.login())).message, "no way to sign in");
});

Deno.test("seventy requests that are refused at once cost one refresh, and each is answered", async () => {
  await using rig = new Rig({ rotates: true, lifetimeS: 3600 });
  await rig.login();
  await rig.call();
  rig.auth.expire();
  const others = [rig.accounts.of(rig.config), rig.account].map((it) => rig.endpointOf(it));
  await Promise.all(Array.from({ length: 70 }, (_, at) => rig.call(others[at % 2])));
  const refreshes = rig.auth.tokenRequests.filter((it) => it.get("grant_type") === "refresh_token");
  assertEquals([refreshes.length, rig.auth.replayed, rig.events], [1, [], ["signed in"]]);
  assertEquals(refreshes[0]!.get("resource"), rig.auth.url);
});

Deno.test("two programs that refresh at once send the token once, and the second uses what the first has got", async () => {
  await using rig = new Rig({ rotates: true });
  await rig.login();
  const other = new Accounts({ store: rig.store }).of(rig.config);
  await other.headersFor({ url: new URL(rig.auth.url) });
  rig.auth.expire();
  await Promise.all([rig.call(), rig.call(rig.endpointOf(other))]);
  assertEquals([rig.auth.replayed, rig.auth.tokenRequests.length], [[], 2]);
});

Deno.test("tokens are renewed before they end, while requests go on with those that are good", async () => {
  await using rig = new Rig({ rotates: true, lifetimeS: 100 });
  await rig.login();
  await age(rig, 90);
  const fresh = new Accounts({ store: rig.store }).of(rig.config);
  const before = await fresh.headersFor({ url: new URL(rig.auth.url) });
  assertMatch(before.authorization!, /^Bearer access-/);
  await until("a new token", async () => {
    const after = await fresh.headersFor({ url: new URL(rig.auth.url) });
    return after.authorization === before.authorization ? undefined : true;
  });
  assertEquals(rig.auth.tokenRequests.length, 2);
});

Deno.test("a refresh that fails for good asks for a login once, whoever needs one", async () => {
  await using rig = new Rig({ rotates: true });
  await rig.login();
  rig.auth.expire({ refresh: true });
  const errors = await Promise.all(Array.from({ length: 10 }, () => failure(() => rig.call())));
  assertEquals(new Set(errors.map(({ code }) => code)), new Set(["LOGIN_REQUIRED"]));
  assertEquals([rig.events, rig.auth.tokenRequests.length], [["signed in", "login required"], 2]);
  assertEquals((await rig.store.read(rig.account.id))!.tokens, undefined);
  await rig.login();
  await rig.call();
});

Deno.test("an authorization server that is down, slow to say so or says something else loses no login", async () => {
  await using rig = new Rig({ rotates: true });
  await rig.login();
  const kept = await rig.store.read(rig.account.id);
  for (
    const answer of [
      () => new Response("<html>refresh-2</html>", { status: 500, headers: { "content-type": "text/html" } }),
      () => new Response("<html>", { status: 200, headers: { "content-type": "text/html" } }),
      () => new Response("x".repeat(2_000_000), { headers: { "content-type": "application/json" } }),
      () => Response.json({ error: "temporarily_unavailable" }, { status: 503 }),
      () => Response.json({ error: "server_error", error_description: kept!.tokens!.refresh_token }),
      () => Response.json({ token_type: "mac", access_token: "a b" }),
    ]
  ) {
    const account = new Accounts({ store: rig.store }).of(rig.config);
    rig.auth.expire();
    rig.auth.script.token = answer;
    const error = await failure(() => rig.call(rig.endpointOf(account)));
    assertEquals(error.code, "UPSTREAM_UNAVAILABLE", error.message);
    assert(!error.message.includes(kept!.tokens!.refresh_token!), error.message);
    assertEquals(await rig.store.read(rig.account.id), kept);
  }
  rig.auth.script.token = undefined;
  await rig.call(rig.endpointOf(new Accounts({ store: rig.store }).of(rig.config)));
});

Deno.test("a token endpoint that sends the request elsewhere is not followed", async () => {
  const asked: string[] = [];
  await using other = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    asked.push(await request.text());
    return Response.json({ access_token: "stolen", token_type: "Bearer" });
  });
  for (const status of [302, 307]) {
    await using rig = new Rig({
      token: () =>
        new Response(null, { status, headers: { location: `http://127.0.0.1:${other.addr.port}/` } }),
    });
    const error = await failure(() => rig.login());
    assertStringIncludes(error.message, "redirect");
    assertEquals([asked, (await rig.store.read(rig.account.id))?.tokens], [[], undefined]);
  }
});

Deno.test("an answer of another issuer is refused before the code is sent, and what it says is not shown", async () => {
  for (const iss of ["https://other.example", null]) {
    await using rig = new Rig({ iss });
    const { authorizationUrl } = await rig.account.beginLogin({ redirectUrl: CALLBACK });
    const params = await signIn(authorizationUrl);
    params.set("error_description", "call this number");
    const error = await failure(() => rig.account.finishLogin(params));
    assertStringIncludes(error.message, "another issuer");
    assert(!error.message.includes("number"));
    assertEquals(rig.auth.tokenRequests, []);
  }
});

Deno.test("an answer is taken once, and only with the state of a login that was begun", async () => {
  await using rig = new Rig();
  const { authorizationUrl } = await rig.account.beginLogin({ redirectUrl: CALLBACK });
  const params = await signIn(authorizationUrl);
  await rig.account.finishLogin(params);
  await failure(() => rig.account.finishLogin(params));
  const other = new URLSearchParams(params);
  other.set("state", "guessed");
  await failure(() => rig.account.finishLogin(other));
  assertEquals(rig.auth.tokenRequests.length, 1);
});

Deno.test("metadata of another issuer or resource is not used, and a server without PKCE only if the user names it", async () => {
  await using issuer = new Rig({ metadata: { issuer: "https://honest.example" } });
  assertStringIncludes((await failure(() => issuer.login())).message, "another issuer");
  await using resource = new Rig({ resourceMetadata: { resource: "https://other.example/mcp" } });
  assertStringIncludes((await failure(() => resource.login())).message, "another resource");
  const plain = { metadata: { code_challenge_methods_supported: null } };
  await using pkce = new Rig(plain);
  assertStringIncludes((await failure(() => pkce.login())).message, "PKCE");
  await using named = new Rig(plain);
  named.account.configure(named.configOf({ grant: "authorization_code", issuer: named.auth.issuer }));
  await named.login();
});

Deno.test("nothing is sent to endpoints that are not reached over https", async () => {
  await using page = new Rig({ metadata: { authorization_endpoint: "http://auth.example/authorize" } });
  assertStringIncludes((await failure(() => page.login())).message, "not https");
  await using token = new Rig({ metadata: { token_endpoint: "http://auth.example/token" } });
  const { authorizationUrl } = await token.account.beginLogin({ redirectUrl: CALLBACK });
  const params = await signIn(authorizationUrl);
  const error = await failure(() => token.account.finishLogin(params));
  assertStringIncludes(error.message, "https");
  assert(!error.message.includes(params.get("code")!));
});

Deno.test("a token goes to its own server only", async () => {
  await using rig = new Rig();
  await rig.login();
  assertEquals(await rig.account.headersFor({ url: new URL("http://127.0.0.1:1/mcp") }), {});
});

Deno.test("a wider scope is asked for with all that was asked before, and not for ever", async () => {
  await using rig = new Rig({
    challenge: "read",
    resource: (_, { scope }) =>
      scope.includes("write") ? undefined : new Response("no", {
        status: 403,
        headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="write"' },
      }),
  });
  await rig.login();
  const error = await failure(() => rig.call());
  assertEquals(error.code, "LOGIN_REQUIRED");
  await rig.login();
  assertEquals(await rig.call(), { scope: "read write" });
  rig.auth.script.resource = () =>
    new Response("never", {
      status: 403,
      headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="write"' },
    });
  assertEquals((await failure(() => rig.call())).code, "LOGIN_REQUIRED");
  await rig.login();
  await assertRejects(() => rig.call(), HttpStatusError, "never");
});

Deno.test("offline_access is asked for where the authorization server offers it, and nowhere else", async () => {
  await using offered = new Rig({ challenge: "a", metadata: { scopes_supported: ["a", "offline_access"] } });
  await offered.login();
  await using other = new Rig({ challenge: "a", metadata: { scopes_supported: ["a"] } });
  await other.login();
  const asked = [offered, other].map(({ auth }) => auth.authorizations[0]!.get("scope"));
  assertEquals(asked, ["a offline_access", "a"]);
});

Deno.test("a client is the one that was registered, else a document, else an earlier registration", async () => {
  const document = "https://exai.example/client.json";
  const metadata = { client_id_metadata_document_supported: true };
  await using both = new Rig({ metadata }, { grant: "authorization_code", clientId: "mine" }, document);
  await both.login();
  await using published = new Rig({ metadata }, undefined, document);
  await published.login();
  await using again = new Rig();
  await again.login();
  await again.login();
  const { authorizationUrl } = await again.account.beginLogin({ redirectUrl: "http://127.0.0.1:8/callback" });
  await signIn(authorizationUrl);
  const ids = [both, published, again].map(({ auth }) =>
    auth.authorizations.map((it) => it.get("client_id"))
  );
  assertEquals(ids, [["mine"], [document], ["client-1", "client-1", "client-2"]]);
});

Deno.test("another authorization server gets neither the client nor the tokens of the last one", async () => {
  await using rig = new Rig({ rotates: true });
  await using next = new ScriptedAuth();
  await rig.login();
  rig.auth.script.resourceMetadata = { authorization_servers: [next.issuer] };
  rig.auth.expire();
  assertEquals((await failure(() => rig.call())).code, "LOGIN_REQUIRED");
  assertEquals([rig.auth.tokenRequests.length, next.tokenRequests.length], [1, 0]);
  const { authorizationUrl } = await rig.account.beginLogin({ redirectUrl: CALLBACK });
  assertEquals(authorizationUrl.origin, next.issuer);
  assertEquals(next.registrations.length, 1);
});

Deno.test("a machine signs in by itself, and again when its token is refused", async () => {
  await using rig = new Rig({
    challenge: "run",
    metadata: { token_endpoint_auth_methods_supported: ["client_secret_basic"] },
  }, { grant: "client_credentials", clientId: "robot", clientSecret: "hush" });
  assertEquals(await rig.call(), { scope: "run" });
  rig.auth.expire();
  await rig.call(rig.endpointOf(new Accounts({ store: rig.store }).of(rig.config)));
  assertEquals(rig.auth.tokenRequests.map((it) => it.get("resource")), [rig.auth.url, rig.auth.url]);
  assertEquals(rig.events, []);
});

Deno.test("signing out revokes the tokens, and the next request needs a login", async () => {
  await using rig = new Rig({ rotates: true });
  await rig.login();
  assertEquals((await rig.account.status()).state, "signed_in");
  assertEquals(await rig.account.logout(), { is: "revoked" });
  assertEquals(rig.auth.revoked.map((it) => it!.split("-")[0]), ["refresh", "access"]);
  assertEquals((await rig.account.status()).state, "signed_out");
  assertEquals((await failure(() => rig.call())).code, "LOGIN_REQUIRED");
});

Deno.test("a login of another program is used by the next request", async () => {
  await using rig = new Rig();
  await failure(() => rig.call());
  const other = new Accounts({ store: rig.store }).of(rig.config);
  const { authorizationUrl } = await other.beginLogin({ redirectUrl: CALLBACK });
  await other.finishLogin(await signIn(authorizationUrl));
  await rig.call();
  assertEquals(rig.events, ["login required", "signed in"]);
});

Deno.test("accounts of one server have each their own login", async () => {
  await using rig = new Rig();
  await rig.login();
  const work = rig.accounts.of({ ...rig.config, account: "work" });
  assertEquals(await work.headersFor({ url: new URL(rig.auth.url) }), {});
  const error = await failure(() => rig.call(rig.endpointOf(work)));
  assertStringIncludes(error.message, "--account work");
});

Deno.test("what an authorization server refuses at the end of a login is told, and the code is not", async () => {
  await using rig = new Rig({ token: (params) => refuse("invalid_grant", `bad ${params.get("code")}`) });
  const error = await failure(() => rig.login());
  assertStringIncludes(error.message, "invalid_grant");
  assert(!/code-\d/.test(error.message), error.message);
  await using declined = new Rig();
  const { authorizationUrl, state } = await declined.account.beginLogin({ redirectUrl: CALLBACK });
  assert(authorizationUrl.href.includes(state));
  const params = new URLSearchParams({ state, error: "access_denied", iss: declined.auth.issuer });
  assertStringIncludes((await failure(() => declined.account.finishLogin(params))).message, "declined");
});

Deno.test("an answer with tokens counts whatever else is wrong with it", async () => {
  for (
    const odd of [{ expires_in: "soon" }, { expires_in: -5 }, { scope: null, id_token: null }, {
      expires_in: 1e300,
    }]
  ) {
    await using rig = new Rig();
    rig.auth.script.token = () => {
      rig.auth.access.set("given", { scope: "", untilMs: Infinity });
      return Response.json({ access_token: "given", refresh_token: "next", token_type: "bearer", ...odd });
    };
    await rig.login();
    await rig.call();
    assertEquals((await rig.store.read(rig.account.id))!.tokens!.refresh_token, "next");
  }
});

Deno.test("a refresh that the authorization server does not take is not tried with each request", async () => {
  await using rig = new Rig({ rotates: true, lifetimeS: 100 });
  await rig.login();
  await age(rig, 95);
  rig.auth.script.token = () => refuse("invalid_target");
  const account = new Accounts({ store: rig.store }).of(rig.config);
  const endpoint = rig.endpointOf(account);
  for (let call = 0; call < 20; call++) await rig.call(endpoint);
  await until("a refresh", () => rig.auth.tokenRequests.length > 1 || undefined);
  assert(rig.auth.tokenRequests.length <= 3, `${rig.auth.tokenRequests.length}`);
});
