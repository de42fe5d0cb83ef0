import { assert, assertEquals, assertMatch } from "@std/assert";

import { RateLimiter, rateLimitKeyOf } from "../lib/edge/rate_limiter.ts";
import { PendingConnections } from "../lib/edge/pending_connections.ts";
import { assertServes, testDaemon } from "./helpers/daemon.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { RawHttp, statusOf } from "./helpers/http_client.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";

async function metric(http: string, name: string, token?: string): Promise<number> {
  const headers = token ? { authorization: `Bearer ${token}` } : undefined;
  const text = await (await fetch(new URL("/metrics", http), { headers })).text();
  return Number(text.split("\n").find((line) => line.startsWith(name))?.split(" ").at(-1));
}

Deno.test("who only waits cannot keep others out: the longest waiting goes, and clients that are in stay", async () => {
  await using it = await testDaemon({ settings: { maxPending: 3, helloTimeoutMs: 60_000 } });
  using good = await RawClient.hello(it.url);
  const idlers: RawClient[] = [];
  for (let n = 0; n < 10; n++) idlers.push(await RawClient.connect(it.url));
  for (const idler of idlers.slice(0, 7)) assertEquals((await idler.closed).code, 4029);
  await assertServes(it.url);
  assertEquals((await good.call("version")).error, undefined);
  assertEquals(await metric(it.http, 'exai_refused_total{reason="pending"}'), 8, "and one for the newcomer");
  const health = (await good.ask({ op: "health" })).health as Record<string, unknown>;
  assertEquals([health.pending, (health.refused as Record<string, number>).pending], [2, 8]);
  for (const idler of idlers) idler[Symbol.dispose]();
  await good.close();
});

Deno.test("beyond the limit on connections a hello is closed with 4029, and who is in stays", async () => {
  await using it = await testDaemon({ settings: { maxConnections: 2 } });
  const early = await RawClient.connect(it.url);
  using first = await RawClient.hello(it.url);
  using second = await RawClient.hello(it.url);
  early.send({ op: "hello" });
  assertEquals((await early.closed).code, 4029);
  using late = await RawClient.connect(it.url);
  assertEquals((await late.closed).code, 4029);
  for (const client of [first, second]) assertEquals((await client.call("version")).error, undefined);
  assertEquals(await metric(it.http, 'exai_refused_total{reason="connections"}'), 2);
  await Promise.all([first.close(), second.close()]);
});

Deno.test("too many wrong tokens are closed with 4029, and a right one enters whatever came before it", async () => {
  using _clock = new SteadyClock();
  await using it = await testDaemon({ settings: { helloRate: 1, token: "correct-horse" } });
  const codes: number[] = [];
  for (let n = 0; n < 12; n++) {
    using client = await RawClient.connect(it.url);
    client.send({ op: "hello", token: `wrong-${n}` });
    codes.push((await client.closed).code);
  }
  assertEquals([codes[0], codes.at(-1)], [4003, 4029]);
  for (let n = 0; n < 12; n++) await assertServes(it.url, { token: "correct-horse" });
  const headers = { authorization: "Bearer correct-horse" };
  const { refused } = await (await fetch(new URL("/health", it.http), { headers })).json();
  assertEquals([refused.token + refused.rate, refused.rate > 0], [12, true]);
});

Deno.test("too many wrong tokens over HTTP get 429, and a right one enters whatever came before it", async () => {
  using _clock = new SteadyClock();
  await using it = await testDaemon({ settings: { helloRate: 1, token: "correct-horse" } });
  const ask = (token: string) =>
    fetch(new URL("/health", it.http), { headers: { authorization: `Bearer ${token}` } });
  const answers: Response[] = [];
  for (let n = 0; n < 12; n++) answers.push(await ask(`wrong${n}`));
  const last = answers.at(-1)!;
  assertEquals([answers[0]!.status, last.status, last.headers.get("retry-after")], [401, 429, "1"]);
  for (const answer of answers) await answer.body?.cancel();
  const inside = await RawHttp.open(`${it.http}mcp`, { authorization: "Bearer correct-horse" });
  assertMatch(await (await inside.post({ id: 9, method: "ping" })).text(), /"id":9/);
  using socket = await RawClient.connect(`${it.url}?token=correct-horse`, ["mcp"]);
  assertEquals((await socket.ask({ jsonrpc: "2.0", id: 1, method: "ping" })).result, {});
  inside.headers.authorization = "Bearer wrong";
  assertEquals(
    await statusOf(inside.post({ id: 10, method: "ping" })),
    429,
    "the id of a session is no token",
  );
});

Deno.test("hellos of one user without a token are limited, and who is in stays", async () => {
  using _clock = new SteadyClock();
  await using it = await testDaemon({ settings: { helloRate: 1 } });
  using good = await RawClient.hello(it.url);
  const codes: (number | undefined)[] = [];
  for (let n = 0; n < 12; n++) {
    using client = await RawClient.connect(it.url);
    client.send({ op: "hello" });
    codes.push(
      await Promise.race([client.closed.then(({ code }) => code), client.next().then(() => undefined)]),
    );
  }
  assertEquals([codes[0], codes.at(-1)], [undefined, 4029]);
  assertEquals((await good.call("version")).error, undefined);
  await good.close();
});

Deno.test("of those who wait without a hello one of the largest crowd goes, so that it keeps nobody else out", () => {
  const room = new PendingConnections<string>();
  room.add("other", "2.2.2.2");
  for (let n = 0; n < 5; n++) room.add(`crowd ${n}`, "1.1.1.1");
  assertEquals([room.evictOldest(), room.evictOldest()], ["crowd 0", "crowd 1"]);
  assertEquals([room.delete("other"), room.delete("other")], [true, false]);
  assertEquals([...room], ["crowd 2", "crowd 3", "crowd 4"]);
});

Deno.test("a rate limit forgets in time, tells keys apart, and keeps no more of them than it may", () => {
  let now = 0;
  const limiter = new RateLimiter({ perSecond: 2, burstSeconds: 2, maxKeys: 3, now: () => now });
  const taken = (key: string, count: number) => Array.from({ length: count }, () => limiter.take(key));
  assertEquals(taken("a", 5), [true, true, true, true, false]);
  assertEquals([limiter.has("a"), limiter.has("b")], [false, true]);
  now += 500;
  assertEquals(taken("a", 2), [true, false]);
  now += 3_600_000;
  assertEquals(taken("a", 5).filter(Boolean).length, 4, "a long rest is worth no more than the burst");
  for (let n = 0; n < 100; n++) limiter.take(`key ${n}`);
  assertEquals(limiter.size, 3);
  const open = new RateLimiter({ perSecond: 0, burstSeconds: 2, maxKeys: 3 });
  assert(Array.from({ length: 100 }, () => open.take("a")).every(Boolean));
});

Deno.test("tries are counted by address: of IPv6 by network, on the socket together", () => {
  const tcp = (hostname: string): Deno.Addr => ({ transport: "tcp", hostname, port: 1 });
  const of = (hostname: string) => rateLimitKeyOf(tcp(hostname));
  assertEquals(of("10.0.0.1"), "10.0.0.1");
  assertEquals(of("::ffff:10.0.0.1"), "10.0.0.1");
  assertEquals(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
  assert(of("2001:db8:1:2::9") !== of("2001:db8:1:3::9"));
  assertEquals(of("::1"), "::1");
  assertEquals(rateLimitKeyOf({ transport: "unix", path: "" }), "socket");
});
