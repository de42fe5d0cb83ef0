import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Accounts } from "../lib/auth/accounts.ts";
import { HttpStatusError } from "../lib/remote/http_errors.ts";
import { CALLBACK, failure, Rig } from "./helpers/oauth_rig.ts";
import { refuse, ScriptedAuth, signIn } from "./helpers/scripted_auth.ts";

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

Deno.test("an error without the issuer that was announced is not shown either", async () => {
  await using rig = new Rig();
  const { state } = await rig.account.beginLogin({ redirectUrl: CALLBACK });
  const params = new URLSearchParams({
    state,
    error: "access_denied",
    error_description: "call this number",
  });
  const error = await failure(() => rig.account.finishLogin(params));
  assertStringIncludes(error.message, "another issuer");
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
    rotates: true,
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
  // Tokens that are renewed are none that were asked for in vain.
  for (let renewals = 0; renewals < 3; renewals++) {
    assertEquals((await failure(() => rig.call())).code, "LOGIN_REQUIRED");
    rig.auth.expire();
  }
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
  rig.auth.script.resource = () => new Response("of another one", { status: 401 });
  assertStringIncludes((await failure(() => rig.call())).message, "signed in to elsewhere now");
  assertEquals(next.tokenRequests, []);
  const { authorizationUrl } = await rig.account.beginLogin({ redirectUrl: CALLBACK });
  assertEquals(authorizationUrl.origin, next.issuer);
  assertEquals(next.registrations.length, 1);
});

Deno.test("an authorization server at an address that is no URL of the web is named with what is wrong", async () => {
  await using rig = new Rig({ rotates: true });
  rig.auth.script.resourceMetadata = { authorization_servers: ["file:///etc/passwd"] };
  const { message } = await failure(() => rig.account.beginLogin({ redirectUrl: CALLBACK }));
  assertStringIncludes(
    message,
    'names "file:///etc/passwd" as its authorization server, which is no https URL',
  );
});

Deno.test("scopes that one authorization server was asked for are not asked for at another", async () => {
  for (const areTokensGone of [false, true]) {
    await using rig = new Rig({ challenge: "old:read", rotates: true });
    await using next = new ScriptedAuth();
    await rig.login();
    if (areTokensGone) rig.auth.expire({ refresh: true });
    rig.auth.script.challenge = "read";
    if (areTokensGone) await failure(() => rig.call());
    rig.auth.script.resourceMetadata = { authorization_servers: [next.issuer] };
    const { authorizationUrl } = await rig.account.beginLogin({ redirectUrl: CALLBACK });
    assertEquals(authorizationUrl.origin, next.issuer);
    assertEquals(authorizationUrl.searchParams.get("scope"), "read");
  }
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

Deno.test("signing out says what the authorization server answered where it has not revoked the tokens", async () => {
  const refusal = { error: "temporarily_unavailable" };
  for (
    const [revoke, why] of [
      [() => new Response("<html>", { status: 503 }), /answered with HTTP status 503 and/],
      [() => Response.json(refusal, { status: 400 }), /answered temporarily_unavailable$/],
    ] as const
  ) {
    await using rig = new Rig({ rotates: true, revoke });
    await rig.login();
    const { is, why: said = "" } = await rig.account.logout() as { is: string; why?: string };
    assertEquals([is, why.test(said)], ["failed", true], said);
  }
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
