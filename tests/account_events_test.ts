// What the daemon is told of an account: that requests work again is no login, and a login is not always somebody else.

import { assertEquals } from "@std/assert";
import { Accounts, type OAuthAccount } from "../lib/auth/accounts.ts";
import type { KeptCredentials } from "../lib/auth/credential_store.ts";
import { PendingLogins } from "../lib/auth/pending_logins.ts";
import { MINUTE_MS } from "../lib/base/units.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { failure, later, loginOf, Rig, signInAs } from "./helpers/oauth_rig.ts";

const EVENTS = ["loginRequired", "newPerson", "newLogin", "usableAgain", "signedOut"] as const;

/** The events of all accounts of `accounts`, as they come. */
function eventsOf(accounts: Accounts): string[] {
  const events: string[] = [];
  for (const event of EVENTS) accounts.on(event, () => void events.push(event));
  return events;
}

const headersOf = (account: OAuthAccount) => account.headersFor({ url: new URL(account.id.resource) });

/** Answers what says `ping` with `status`, whoever asks. */
const pinged = (status: number) => async (request: Request) =>
  (await request.text()).includes('"ping"') ? new Response("{}", { status }) : undefined;

Deno.test("a server that says the same of a ping with and without a token has not taken the token again", async () => {
  for (const status of [200, 400]) {
    await using rig = new Rig({ open: pinged(status) });
    await rig.login();
    const accounts = new Accounts({ store: rig.store });
    const events = eventsOf(accounts);
    const account = accounts.of(rig.config);
    const endpoint = rig.endpointOf(account);
    rig.auth.expire();
    await failure(() => rig.call(endpoint));
    await using pending = new PendingLogins();
    accounts.on("newLogin", ({ id }) => pending.signedIn(id));
    const login = await pending.begin({ account, server: "far" });
    let isDone = false;
    void login.done.then(() => isDone = true, () => {});
    for (const minutes of [2, 4]) {
      await later(minutes * MINUTE_MS, () => failure(() => rig.call(endpoint)));
    }
    assertEquals([isDone, events], [false, ["loginRequired"]], `${status}`);
  }
});

Deno.test("what a server says of a ping with a refused token counts only where it is about the token", async () => {
  for (
    const [status, isTaken] of [[400, true], [404, true], [403, false], [429, false], [500, false]] as const
  ) {
    await using rig = new Rig();
    await rig.login();
    const endpoint = rig.endpointOf(new Accounts({ store: rig.store }).of(rig.config));
    const good = [...rig.auth.access];
    rig.auth.expire();
    await failure(() => rig.call(endpoint));
    for (const [token, grant] of good) rig.auth.access.set(token, grant);
    const isOfPing = pinged(status);
    rig.auth.script.open = async (request) =>
      request.headers.has("authorization") ? await isOfPing(request) : undefined;
    const told = await later(2 * MINUTE_MS, () => rig.call(endpoint).then(() => true, () => false));
    assertEquals(told, isTaken, `${status}`);
  }
});

Deno.test("a token that is taken again ends no login that is waited for", async () => {
  await using rig = new Rig();
  await rig.login();
  const accounts = new Accounts({ store: rig.store });
  const account = accounts.of(rig.config);
  const endpoint = rig.endpointOf(account);
  const good = [...rig.auth.access];
  rig.auth.expire();
  await failure(() => rig.call(endpoint));
  for (const [token, grant] of good) rig.auth.access.set(token, grant);
  const events = eventsOf(accounts);
  await later(2 * MINUTE_MS, () => Promise.all(Array.from({ length: 5 }, () => rig.call(endpoint))));
  assertEquals(events.includes("usableAgain"), true);
  assertEquals(events.includes("newLogin"), false);
});

Deno.test("a login by another process ends what is waited for, where it is for all of that", async () => {
  const resource = (_: Request, { scope }: { scope: string }) => {
    const headers = { "www-authenticate": 'Bearer error="insufficient_scope", scope="write"' };
    return scope.includes("write") ? undefined : new Response("no", { status: 403, headers });
  };
  await using rig = new Rig({ challenge: "read", resource });
  await rig.login();
  await failure(() => rig.call());
  const events = eventsOf(rig.accounts);
  const other = new Accounts({ store: rig.store }).of(rig.config);
  await loginOf(other);
  assertEquals((await rig.account.status()).state, "signed_in");
  assertEquals(events, ["newPerson", "usableAgain"]);
  await failure(() => rig.call(rig.endpointOf(other)));
  await loginOf(other);
  events.length = 0;
  await rig.account.status();
  await rig.account.status();
  assertEquals(events, ["newPerson", "newLogin", "usableAgain"]);
});

Deno.test("a connection that began without a token, as what is on disk came late, does not go on with one", async () => {
  using timers = new FakeTimers();
  await using rig = new Rig();
  await rig.login();
  const kept = Promise.withResolvers<KeptCredentials | undefined>();
  const store = { ...rig.store, read: () => kept.promise, list: () => Promise.resolve([]) };
  const accounts = new Accounts({ store: store as unknown as typeof rig.store });
  const events = eventsOf(accounts);
  const account = accounts.of(rig.config);
  const headers = headersOf(account);
  timers.pass(2000);
  assertEquals(await headers, {});
  kept.resolve(await rig.store.read(account.id));
  let sent: Readonly<Record<string, string>> = {};
  for (let turn = 0; turn < 50 && !sent.authorization; turn++) sent = await headersOf(account);
  assertEquals(events, ["newPerson"]);
  await account.status();
  assertEquals(events, ["newPerson"], "once");
  const prompt = new Accounts({ store: rig.store });
  const none = eventsOf(prompt);
  await headersOf(prompt.of(rig.config));
  assertEquals(none, [], "what was read in time is nothing new");
});

Deno.test("who signs in once more is the same person only where the authorization server says so", async () => {
  await using rig = new Rig();
  const events = eventsOf(rig.accounts);
  const told = async (sub: string | undefined) => {
    events.length = 0;
    await signInAs(rig.auth, rig.account, sub);
    return events.includes("newPerson");
  };
  await headersOf(rig.account);
  const people = ["ada", "ada", "bob", "bob", undefined, undefined, "bob", ""];
  const seen: boolean[] = [];
  for (const sub of people) seen.push(await told(sub));
  assertEquals(seen, [true, false, true, false, true, true, true, true]);
  assertEquals(events, ["newPerson", "newLogin", "usableAgain"]);
  await signInAs(rig.auth, rig.account, "ada");
  const { login } = (await rig.store.read(rig.account.id))!;
  assertEquals([login!.subject!.length, login!.subject!.includes("ada")], [64, false]);
});
