import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Accounts } from "../lib/auth/accounts.ts";
import type { KeptCredentials } from "../lib/auth/credential_store.ts";
import { MINUTE_MS } from "../lib/base/units.ts";
import { PendingLogins } from "../lib/auth/pending_logins.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { refuse, ScriptedAuth } from "./helpers/scripted_auth.ts";
import { CALLBACK, failure, later, Rig } from "./helpers/oauth_rig.ts";

/** What is on disk, behind a keychain that answers when a test says so. */
class LockedStore {
  reads = 0;
  answer = Promise.withResolvers<KeptCredentials | undefined>();

  read(): Promise<KeptCredentials | undefined> {
    this.reads++;
    return this.answer.promise;
  }

  change(): Promise<never> {
    return Promise.reject(new Error("locked"));
  }

  list(): Promise<never[]> {
    return Promise.resolve([]);
  }
}

Deno.test("a keychain that does not answer stops no server that wants no login, and is asked once", async () => {
  using timers = new FakeTimers();
  await using rig = new Rig();
  const store = new LockedStore();
  const account = new Accounts({ store }).of(rig.config);
  const headers = () => account.headersFor({ url: new URL(rig.auth.url) });
  let sent: Readonly<Record<string, string>> | undefined;
  headers().then((it) => sent = it);
  timers.pass(2000);
  for (let turn = 0; turn < 50 && !sent; turn++) await Promise.resolve();
  assertEquals(sent, {});
  assertEquals(await headers(), {});
  assertEquals([timers.set, store.reads], [1, 1]);
  store.answer.reject(new Error("locked"));
  await store.answer.promise.catch(() => {});
  for (let request = 0; request < 5; request++) assertEquals(await headers(), {});
  assertEquals(store.reads, 1);
});

Deno.test("what could not be read is read when a server asks for it, and told of", async () => {
  await using rig = new Rig({ rotates: true });
  await rig.login();
  const store = new LockedStore();
  store.answer.reject(new Error("locked"));
  const account = new Accounts({ store }).of(rig.config);
  const endpoint = rig.endpointOf(account);
  assertEquals((await failure(() => rig.call(endpoint))).code, "UPSTREAM_UNAVAILABLE");
  store.answer = Promise.withResolvers();
  store.answer.resolve(await rig.store.read(account.id));
  assertEquals(await rig.call(endpoint), { scope: "" });
  const { reads } = store;
  await later(3 * MINUTE_MS, () => account.headersFor({ url: new URL(rig.auth.url) }));
  assertEquals(store.reads, reads, "it is known");
});

const NEVER = new AbortController().signal;

/** A server that wants a scope for what is called. */
function wanting(scope: string | undefined): Response {
  const named = scope === undefined ? "" : `, scope="${scope}"`;
  const headers = { "www-authenticate": `Bearer error="insufficient_scope"${named}` };
  return new Response("no", { status: 403, headers });
}

/** Signed in to read at a server where calls want to write. */
async function reader(): Promise<Rig> {
  const resource = (_: Request, { scope }: { scope: string }) =>
    scope.includes("write") ? undefined : wanting("write");
  const rig = new Rig({ challenge: "read", rotates: true, resource });
  await rig.login();
  return rig;
}

Deno.test("a token that is renewed ends no login with a wider scope, and one that has the scope does", async () => {
  await using rig = await reader();
  await using pending = new PendingLogins();
  rig.accounts.on("newLogin", (account) => pending.signedIn(account.id));
  const old = await rig.account.headersFor({ url: new URL(rig.auth.url) });
  const late = { status: 401, challenge: null, sent: old } as const;
  await failure(() => rig.call());
  const login = await pending.begin({ account: rig.account, server: "far" });
  let isDone = false;
  const done = login.done.then(() => isDone = true);
  rig.auth.expire();
  await failure(() => rig.call());
  assertEquals(await rig.account.refused(late, NEVER), true);
  assertEquals([rig.events, isDone], [["signed in"], false]);
  const { authorizationUrl } = await new Accounts({ store: rig.store }).of(rig.config)
    .beginLogin({ redirectUrl: CALLBACK });
  assertEquals(authorizationUrl.searchParams.get("scope"), "read");
  await rig.store.change(rig.account.id, (kept) => {
    const tokens = { ...kept!.tokens!, access_token: "other", scope: "read write" };
    return Promise.resolve({ ...kept!, tokens, login: { id: "by another process" } });
  });
  assertEquals(await rig.account.refused(late, NEVER), true);
  await done;
});

Deno.test("an account that wanted a wider scope works on, and tells when it does not any more", async () => {
  await using rig = await reader();
  const error = await failure(() => rig.call());
  assertStringIncludes(error.message, "it wants the scope write");
  assertEquals([rig.events, (await rig.account.status()).state], [["signed in"], "signed_in"]);
  rig.auth.expire({ refresh: true });
  await failure(() => rig.call());
  assertEquals(rig.events, ["signed in", "login required"]);
  assertEquals((await rig.account.status()).state, "login_required");
  const { authorizationUrl } = await rig.account.beginLogin({ redirectUrl: CALLBACK });
  assertEquals(authorizationUrl.searchParams.get("scope"), "read write");
});

Deno.test("a server that wants another scope each time does not make a login ask for all of them", async () => {
  await using rig = await reader();
  let calls = 0;
  rig.auth.script.resource = () => wanting(`${"x".repeat(500)}${++calls}`);
  for (let call = 0; call < 20; call++) await failure(() => rig.call());
  const { authorizationUrl } = await rig.account.beginLogin({ redirectUrl: CALLBACK });
  const asked = authorizationUrl.searchParams.get("scope")!;
  assert(asked.includes(`x${calls}`) && asked.length < 5000, `${asked.length}`);
  rig.auth.script.resource = () => wanting(undefined);
  assertStringIncludes((await failure(() => rig.call())).message, "it wants a wider scope;");
});

Deno.test("a machine is not made to ask for scopes without end", async () => {
  const robot = { grant: "client_credentials", clientId: "robot", clientSecret: "hush" } as const;
  const methods = { token_endpoint_auth_methods_supported: ["client_secret_basic"] };
  await using rig = new Rig({ metadata: methods }, robot);
  let calls = 0;
  rig.auth.script.resource = () => wanting(`${"x".repeat(1000)}${++calls}`);
  for (let call = 0; call < 4; call++) await rig.call().catch(() => {});
  const longest = Math.max(...rig.auth.tokenRequests.map((it) => it.get("scope")?.length ?? 0));
  assert(calls > 8 && longest > 1000 && longest < 5000, `${calls} ${longest}`);
});

Deno.test("a token is renewed without a look at what the server publishes, which may take long", async () => {
  await using rig = new Rig({ rotates: true });
  await rig.login();
  rig.auth.expire();
  rig.auth.asked.length = 0;
  await rig.call();
  assertEquals(rig.auth.asked, ["POST /mcp", "POST /mcp"]);
});

Deno.test("a server that has left an authorization server which does not answer any more wants a login", async () => {
  await using rig = new Rig({ rotates: true });
  await using next = new ScriptedAuth();
  await rig.login();
  rig.auth.expire();
  rig.auth.script.token = () => refuse("temporarily_unavailable");
  assertEquals((await failure(() => rig.call())).code, "UPSTREAM_UNAVAILABLE");
  rig.auth.script.resourceMetadata = { authorization_servers: [next.issuer] };
  // Reads anew what is published.
  rig.account.configure(rig.config);
  assertStringIncludes((await failure(() => rig.call())).message, "signed in to elsewhere now");
});

Deno.test("a token that a server has refused by mistake is used again, and one that it refuses is not sent with each request", async () => {
  await using rig = new Rig();
  await rig.login();
  // As after a restart: the login is not that of just now.
  const accounts = new Accounts({ store: rig.store });
  const events: string[] = [];
  for (const it of ["loginRequired", "newLogin", "usableAgain"] as const) {
    accounts.on(it, () => void events.push(it));
  }
  const endpoint = rig.endpointOf(accounts.of(rig.config));
  const good = [...rig.auth.access];
  rig.auth.expire();
  await failure(() => rig.call(endpoint));
  rig.auth.asked.length = 0;
  await later(2 * MINUTE_MS, async () => {
    for (let call = 0; call < 5; call++) await failure(() => rig.call(endpoint));
  });
  assertEquals(rig.auth.asked.filter((it) => it === "POST /mcp").length, 6);
  for (const [token, grant] of good) rig.auth.access.set(token, grant);
  assertEquals((await failure(() => rig.call(endpoint))).code, "LOGIN_REQUIRED");
  await later(4 * MINUTE_MS, () => rig.call(endpoint));
  await rig.call(endpoint);
  assertEquals(events, ["loginRequired", "usableAgain"]);
});
