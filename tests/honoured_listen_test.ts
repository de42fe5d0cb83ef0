import { assertEquals } from "@std/assert";
import { Honoured } from "../lib/session/honoured_listen.ts";
import { ListenSubscriptions } from "../lib/session/listen_subscriptions.ts";
import type { ModernTenant } from "../lib/session/modern_tenant.ts";
import { SubscriptionQuota } from "../lib/session/subscription_quota.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

/** A listen whose servers answer when the test says so, and what they were asked. */
function listenOf(...uris: string[]) {
  const asked: string[] = [];
  const answers = new Map<string, PromiseWithResolvers<Result>>();
  const call = (method: string, uri: string) => {
    asked.push(`${method.slice("resources/".length)} ${uri}`);
    const answer = Promise.withResolvers<Result>();
    answers.set(uri, answer);
    return answer.promise;
  };
  const subscriptions = new ListenSubscriptions({ quota: new SubscriptionQuota(), call });
  const tenant = { server: undefined, listed: new Set() } as unknown as ModernTenant;
  const honoured = new Honoured(tenant, { subscriptions, call: () => Promise.resolve({ result: {} }) });
  const filter = honoured.of({ lists: new Map(), uris: new Set(uris), taskIds: new Set() });
  const acknowledged = filter.then((filter) => [...filter.uris]);
  return { asked, acknowledged, honoured, take: (uri: string) => answers.get(uri)!.resolve({ result: {} }) };
}

async function settle(): Promise<void> {
  for (let n = 0; n < 40; n++) await Promise.resolve();
}

Deno.test("what no server has taken in time is not acknowledged, and is let go when one takes it later", async () => {
  using timers = new FakeTimers();
  const { asked, acknowledged, honoured, take } = listenOf("a:1", "b:1");
  await settle();
  take("a:1");
  await settle();
  timers.pass(10_000);
  await settle();
  timers.pass(10_000);
  assertEquals(await acknowledged, ["a:1"]);
  assertEquals(asked, ["subscribe a:1", "subscribe b:1"]);
  take("b:1");
  await settle();
  assertEquals([asked.at(-1), timers.size], ["unsubscribe b:1", 0]);
  honoured[Symbol.dispose]();
  await settle();
  assertEquals(asked.slice(2), ["unsubscribe b:1", "unsubscribe a:1"]);
});

Deno.test("an acknowledgement waits ten seconds for silent servers, and thirty for those that take one after another", async () => {
  using timers = new FakeTimers();
  const silent = listenOf("a:1");
  let isThere = false;
  void silent.acknowledged.then(() => isThere = true);
  await settle();
  timers.pass(9999);
  await settle();
  assertEquals(isThere, false);
  timers.pass(1);
  assertEquals(await silent.acknowledged, []);
  const slow = listenOf("a:1", "a:2", "a:3", "a:4", "a:5");
  for (const uri of ["a:1", "a:2", "a:3"]) {
    await settle();
    slow.take(uri);
    await settle();
    timers.pass(10_000);
  }
  assertEquals(await slow.acknowledged, ["a:1", "a:2", "a:3"]);
  assertEquals(timers.size, 0);
});

Deno.test("a long listen asks for its resources four at once, and for many where its server is asked for all together", async () => {
  for (const [isJoined, together] of [[false, 4], [true, 64]] as const) {
    const asked: string[] = [];
    const call = (_method: string, uri: string, onJoined: () => void) => {
      asked.push(uri);
      if (isJoined) onJoined();
      return new Promise<Result>(() => {});
    };
    const subscriptions = new ListenSubscriptions({ quota: new SubscriptionQuota(), call });
    for (let n = 0; n < 300; n++) void subscriptions.add(`a:${n}`);
    for (let n = 0; n < 40; n++) await settle();
    assertEquals(asked.length, together);
  }
});
