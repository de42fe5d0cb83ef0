import { assertEquals } from "@std/assert";
import { Accounts } from "../lib/auth/accounts.ts";
import type { KeptCredentials } from "../lib/auth/credential_store.ts";
import { failure, Rig } from "./helpers/oauth_rig.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

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
  const first = headers();
  timers.pass(2000);
  assertEquals([await first, await headers()], [{}, {}]);
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
});
