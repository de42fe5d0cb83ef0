import { assert, assertEquals, assertMatch } from "@std/assert";
import { Accounts } from "../lib/auth/accounts.ts";
import { digestOfTokens, renewTokens } from "../lib/auth/oauth/renew.ts";
import { failure, Rig } from "./helpers/oauth_rig.ts";
import { refuse } from "./helpers/scripted_auth.ts";
import { until } from "./helpers/until.ts";

/** Has the tokens that are kept be `seconds` older. */
async function age(rig: Rig, seconds: number): Promise<void> {
  await rig.store.change(
    rig.account.id,
    (kept) => Promise.resolve({ ...kept!, expiresAtMs: kept!.expiresAtMs! - seconds * 1000 }),
  );
}

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

Deno.test("two programs that refresh at once do so once, also where the refresh token stays the same", async () => {
  await using rig = new Rig({ rotates: true });
  let made = 0;
  rig.auth.script.token = () => {
    const access_token = `access-${++made}`;
    rig.auth.access.clear();
    rig.auth.access.set(access_token, { scope: "", untilMs: Infinity });
    return Response.json({ access_token, refresh_token: "lasting", token_type: "Bearer" });
  };
  await rig.login();
  const other = new Accounts({ store: rig.store }).of(rig.config);
  await other.headersFor({ url: new URL(rig.auth.url) });
  rig.auth.expire();
  await Promise.all([rig.call(), rig.call(rig.endpointOf(other))]);
  assertEquals([made, rig.auth.tokenRequests.length], [2, 2]);
});

Deno.test("a server that gives the same tokens for longer is asked once by two programs", async () => {
  await using rig = new Rig();
  rig.auth.script.token = () =>
    Response.json({ access_token: "same", refresh_token: "lasting", token_type: "Bearer", expires_in: 100 });
  await rig.login();
  await age(rig, 90);
  const { id } = rig.account;
  const request = { id, oauth: undefined, seen: await digestOfTokens(await rig.store.read(id)) };
  for (const _ of ["first", "second"]) {
    assertEquals(await renewTokens(rig.store, request), { is: "renewed" });
  }
  assertEquals(rig.auth.tokenRequests.length, 2);
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

Deno.test("a refresh that fails for good before a request is made says why, as one that follows it does", async () => {
  await using rig = new Rig({ rotates: true });
  const tokens = { access_token: "brief", refresh_token: "renews", token_type: "bearer", expires_in: 0.001 };
  rig.auth.script.token = () => Response.json(tokens);
  await rig.login();
  rig.auth.script.token = () => refuse("invalid_grant", "the session is over");
  const { code, message } = await failure(() => rig.call());
  assertEquals([code, /the session is over/.test(message)], ["LOGIN_REQUIRED", true], message);
  rig.auth.script.token = undefined;
  await rig.login();
  await rig.account.logout();
  assertEquals(/nobody has signed in/.test((await failure(() => rig.call())).message), true);
});

Deno.test("a metadata document that cannot be fetched for a moment loses no login", async () => {
  const metadata = { client_id_metadata_document_supported: true };
  await using rig = new Rig({ rotates: true, metadata }, undefined, "https://exai.example/client.json");
  await rig.login();
  const kept = await rig.store.read(rig.account.id);
  rig.auth.expire();
  rig.auth.script.token = () => refuse("invalid_client", "client metadata could not be fetched");
  assertEquals((await failure(() => rig.call())).code, "UPSTREAM_UNAVAILABLE");
  assertEquals(await rig.store.read(rig.account.id), kept);
  rig.auth.script.token = undefined;
  await rig.call(rig.endpointOf(new Accounts({ store: rig.store }).of(rig.config)));
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
  // By the clock of this machine it has ended, by that of the server it is good.
  await age(rig, 101);
  rig.auth.script.token = () => refuse("invalid_target");
  const account = new Accounts({ store: rig.store }).of(rig.config);
  const endpoint = rig.endpointOf(account);
  for (let call = 0; call < 20; call++) await rig.call(endpoint);
  const refreshes = rig.auth.tokenRequests.length - 1;
  assert(refreshes >= 1 && refreshes <= 3, `${refreshes}`);
});

Deno.test("an authorization server that gives the same token again is not asked with each request", async () => {
  await using rig = new Rig({ rotates: true, lifetimeS: 100 });
  await rig.login();
  const { tokens } = (await rig.store.read(rig.account.id))!;
  await age(rig, 90);
  // One gives it a new time, one says how much is left of it.
  for (const expires_in of [100, 10]) {
    const account = new Accounts({ store: rig.store }).of(rig.config);
    let asked = 0;
    rig.auth.script.token = () => {
      asked++;
      return Response.json({ ...tokens, expires_in });
    };
    const { writes } = rig.store;
    await rig.call(rig.endpointOf(account));
    await until("a renewal", () => rig.store.writes > writes || undefined);
    for (let call = 0; call < 20; call++) await rig.call(rig.endpointOf(account));
    assertEquals(asked, 1);
    await age(rig, 90);
  }
});
