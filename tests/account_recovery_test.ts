// What an account does with tokens that its server refuses, and what it says of itself meanwhile.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Accounts } from "../lib/auth/accounts.ts";
import { MINUTE_MS } from "../lib/base/units.ts";
import { CALLBACK, failure, later, loginOf, Rig, withClock } from "./helpers/oauth_rig.ts";
import { refuse } from "./helpers/scripted_auth.ts";

Deno.test("a token that was refused is renewed once it has expired", async () => {
  await using rig = new Rig({ rotates: true, lifetimeS: 50 });
  await rig.login();
  rig.auth.expire();
  rig.auth.script.open = () => Promise.resolve(new Response("no", { status: 401 }));
  await rig.call().catch(() => {});
  assertEquals((await failure(() => rig.call())).code, "LOGIN_REQUIRED");
  rig.auth.script.open = undefined;
  await later(2 * MINUTE_MS, () => rig.call());
  assertEquals(rig.events, ["signed in", "login required", "signed in"]);
});

Deno.test("a login is asked for where a refresh gives the token again that the server refuses", async () => {
  await using rig = new Rig({ rotates: true });
  await rig.login();
  const { access_token, refresh_token } = (await rig.store.read(rig.account.id))!.tokens!;
  rig.auth.expire();
  rig.auth.script.token = () => Response.json({ access_token, refresh_token, token_type: "Bearer" });
  const before = rig.auth.tokenRequests.length;
  await later(6000, async () => {
    await rig.call().catch(() => {});
    for (let call = 0; call < 5; call++) {
      assertEquals((await failure(() => rig.call())).code, "LOGIN_REQUIRED");
    }
  });
  assertEquals(rig.auth.tokenRequests.length - before < 4, true);
  assertEquals((await rig.account.status()).state, "login_required");
  // The login gives it once more.
  rig.auth.access.set(access_token, { scope: "", untilMs: Infinity });
  await rig.login();
  await rig.call();
});

Deno.test("a refresh that failed for now does not count as one that was of no use", async () => {
  await using rig = new Rig({ rotates: true });
  await rig.login();
  rig.auth.expire();
  rig.auth.script.token = () => refuse("temporarily_unavailable");
  for (let call = 0; call < 2; call++) {
    assertEquals((await failure(() => rig.call())).code, "UPSTREAM_UNAVAILABLE");
  }
});

Deno.test("each window is told why the login is worth nothing any more", async () => {
  await using rig = new Rig({ rotates: true });
  assertStringIncludes((await failure(() => rig.call())).message, "nobody has signed in");
  await rig.login();
  rig.auth.script.token = () => refuse("invalid_grant", "the license has ended");
  rig.auth.expire({ refresh: true });
  for (let call = 0; call < 3; call++) {
    assertStringIncludes((await failure(() => rig.call())).message, "the license has ended");
  }
  assertStringIncludes((await rig.account.status()).why!, "the license has ended");
});

Deno.test("status is that of now: after what another process does, and after signing out", async () => {
  await using rig = new Rig({ rotates: true });
  await rig.login();
  rig.auth.expire({ refresh: true });
  await failure(() => rig.call());
  const other = new Accounts({ store: rig.store }).of(rig.config);
  await loginOf(other);
  const { state, why } = await rig.account.status();
  assertEquals([state, why, rig.events.at(-1)], ["signed_in", undefined, "signed in"]);
  rig.auth.expire({ refresh: true });
  await failure(() => rig.call());
  const renewed = { access_token: "renewed elsewhere", token_type: "Bearer" };
  await rig.store.change(rig.account.id, (kept) => Promise.resolve({ ...kept!, tokens: renewed }));
  assertEquals((await rig.account.status()).state, "signed_in");
  await failure(() => rig.call());
  await rig.account.logout();
  assertEquals((await rig.account.status()).state, "signed_out");
});

Deno.test("a login of another process is used at once, also while a refresh that failed is not repeated", async () => {
  await using rig = new Rig({ rotates: true });
  await rig.login();
  rig.auth.expire();
  rig.auth.script.token = () => refuse("temporarily_unavailable");
  assertEquals((await failure(() => rig.call())).code, "UPSTREAM_UNAVAILABLE");
  rig.auth.script.token = undefined;
  const other = new Accounts({ store: rig.store }).of(rig.config);
  await loginOf(other);
  rig.auth.expire();
  await rig.account.status();
  await rig.call();
});

Deno.test("a scope that the authorization server does not give is not asked for again", async () => {
  const headers = { "www-authenticate": 'Bearer error="insufficient_scope", scope="write"' };
  await using rig = new Rig({
    challenge: "read",
    resource: () => new Response("no", { status: 403, headers }),
  });
  await rig.login();
  await failure(() => rig.call());
  const begin = () => rig.account.beginLogin({ redirectUrl: CALLBACK });
  const { authorizationUrl, state } = await begin();
  assertStringIncludes(authorizationUrl.searchParams.get("scope")!, "write");
  const answer = new URLSearchParams({ error: "invalid_scope", state, iss: rig.auth.issuer });
  await failure(() => rig.account.finishLogin(answer));
  assertEquals((await begin()).authorizationUrl.searchParams.get("scope"), "read");
});

Deno.test("a clock that is set back, or forward, loses no login", async () => {
  await using rig = new Rig({ rotates: true, lifetimeS: 3600 });
  await rig.login();
  rig.auth.expire();
  await withClock(60 * MINUTE_MS, () => rig.call());
  rig.auth.expire();
  await rig.call();
  rig.auth.script.token = () => refuse("temporarily_unavailable");
  rig.auth.expire();
  await withClock(60 * MINUTE_MS, () => failure(() => rig.call()));
  rig.auth.script.token = undefined;
  await later(MINUTE_MS, () => rig.call());
  assertEquals((await rig.account.status()).state, "signed_in");
});
