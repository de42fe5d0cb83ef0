import { assertEquals, assertStrictEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { freshnessHints, freshnessOf, leastFresh } from "../lib/call/freshness.ts";
import { LISTS } from "../lib/call/server.ts";
import { ReadCache } from "../lib/upstream/instance/read_cache.ts";
import { ListCache } from "../lib/upstream/lists/list_cache.ts";
import { readRawMessage } from "../lib/wire/raw_message.ts";
import { call } from "./helpers/call.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

Deno.test("a result is fresh as long as its server says, and no longer than a day", () => {
  const untilOf = (ttlMs: unknown) => freshnessOf({ ttlMs, cacheScope: "public" } as JsonObject, 0)?.untilMs;
  assertEquals([5, 0, -5, 1e300, "5", null].map(untilOf), [5, 0, 0, 86_400_000, 0, 0]);
  assertEquals(freshnessOf({ tools: [] }, 0), undefined);
  assertEquals(freshnessOf({ ttlMs: 1 }, 0)?.scope, "private");
  assertEquals(freshnessOf({ cacheScope: "Public" }, 0)?.scope, "private");
});

Deno.test("what is merged is as fresh as its stalest part, and private where a part of it is", () => {
  const [a, b] = [{ untilMs: 10, scope: "public" }, { untilMs: 30, scope: "private" }] as const;
  assertEquals(leastFresh([a, b]), { untilMs: 10, scope: "private" });
  assertEquals(leastFresh([a, a]), a);
  assertEquals(leastFresh([a, undefined]), undefined);
  assertEquals(leastFresh([]), undefined);
  assertEquals(freshnessHints(b, 12.5), { ttlMs: 17, cacheScope: "private" });
  assertEquals(freshnessHints(b, 40), { ttlMs: 0, cacheScope: "private" });
});

/** A cache of lists of a server whose pages carry `hints`, and how often it was asked. */
function cacheOf(hints: readonly JsonObject[], isAnnounced = false) {
  const asked: string[] = [];
  const cache = new ListCache({
    has: () => true,
    isAnnounced: () => isAnnounced,
    ask: (method, { cursor }) => {
      asked.push(method);
      const page = cursor === undefined ? 0 : Number(cursor);
      const next = page + 1 < hints.length ? { nextCursor: String(page + 1) } : {};
      return Promise.resolve({ result: { tools: [{ name: `t${page}` }], ...next, ...hints[page] } });
    },
  });
  return { cache, asked };
}

Deno.test("a list asked for twice within its time costs the server nothing, and is asked for again after it", async () => {
  using timers = new FakeTimers();
  const { cache, asked } = cacheOf([{ ttlMs: 60_000, cacheScope: "public" }]);
  const first = await cache.get("tools");
  timers.pass(59_999);
  assertEquals(await cache.get("tools") === first, true);
  assertEquals(asked.length, 1);
  assertEquals(freshnessHints(cache.freshness("tools")!), { ttlMs: 1, cacheScope: "public" });
  timers.pass(1);
  assertEquals(await cache.get("tools") === first, true);
  assertEquals(asked.length, 2);
});

Deno.test("a list that is stale at once is asked for at each request, even if its changes are announced", async () => {
  using _timers = new FakeTimers();
  const { cache, asked } = cacheOf([{ ttlMs: 0, cacheScope: "private" }], true);
  await cache.get("tools");
  await cache.get("tools");
  assertEquals(asked.length, 2);
});

Deno.test("the pages of a list are kept together as long as the one that lasts least", async () => {
  using timers = new FakeTimers();
  const { cache, asked } = cacheOf([{ ttlMs: 60_000, cacheScope: "public" }, { ttlMs: 1000 }]);
  await cache.get("tools");
  assertEquals(freshnessHints(cache.freshness("tools")!), { ttlMs: 1000, cacheScope: "private" });
  timers.pass(1000);
  await cache.get("tools");
  assertEquals(asked, Array(4).fill(LISTS.tools.method));
});

Deno.test("a list that was cut is asked for again soon, however long its pages may be kept", async () => {
  using timers = new FakeTimers();
  let isBroken = true;
  const cache = new ListCache({
    has: () => true,
    isAnnounced: () => true,
    ask: (_method, { cursor }) => {
      if (cursor !== undefined && isBroken) {
        return Promise.resolve({ error: { code: -32603, message: "no" } });
      }
      const page = { tools: [{ name: `t${cursor ?? 0}` }], ttlMs: 3_600_000, cacheScope: "public" };
      return Promise.resolve({ result: cursor === undefined ? { ...page, nextCursor: "1" } : page });
    },
  });
  assertEquals((await cache.get("tools")).length, 1);
  isBroken = false;
  assertEquals(freshnessHints(cache.freshness("tools")!).ttlMs, 30_000);
  timers.pass(29_999);
  assertEquals((await cache.get("tools")).length, 1);
  timers.pass(1);
  assertEquals((await cache.get("tools")).length, 2);
  assertEquals(freshnessHints(cache.freshness("tools")!).ttlMs, 3_600_000);
});

Deno.test("a list of a server that says nothing of time is kept as before, and clients may keep it as long", async () => {
  using timers = new FakeTimers();
  const { cache, asked } = cacheOf([{}]);
  await cache.get("tools");
  timers.pass(20_000);
  assertEquals(freshnessHints(cache.freshness("tools")!), { ttlMs: 10_000, cacheScope: "private" });
  await cache.get("tools");
  assertEquals(asked.length, 1);
});

const read = (uri: string, parts = {}) => call({ method: "resources/read", params: { uri }, ...parts });

/** The answer to a read of a resource, as the text it came in. */
function answer(members: JsonObject) {
  const message = readRawMessage(JSON.stringify({ jsonrpc: "2.0", id: 1, result: members }), {
    depth: 99,
    members: 99,
  });
  if (message?.kind !== "response") throw new Error("no response");
  return message;
}

Deno.test("a resource is read from memory while it is fresh, by those of the same capabilities", () => {
  using timers = new FakeTimers();
  const cache = new ReadCache();
  cache.note(read("a:1"), answer({ contents: [{ n: 1 }], ttlMs: 1000, cacheScope: "private" }));
  timers.pass(400);
  assertEquals(cache.get(read("a:1"))?.result, { contents: [{ n: 1 }], ttlMs: 600, cacheScope: "private" });
  assertEquals(cache.get(read("a:2")), undefined);
  assertEquals(cache.get(read("a:1", { params: { uri: "a:1", version: 2 } })), undefined);
  const { caller } = read("a:1");
  assertEquals(cache.get(read("a:1", { caller: { ...caller, capabilities: { roots: {} } } })), undefined);
  timers.pass(600);
  assertEquals(cache.get(read("a:1")), undefined);
});

Deno.test("the first answer is believed for as long as those that are kept, and no longer", () => {
  using _timers = new FakeTimers();
  const cache = new ReadCache();
  const day = 86_400_000;
  for (const [ttlMs, shown] of [[1e15, day], [12.5, 12], [-1, 0], ["1", 0], [5, 5], [day, day]] as const) {
    const got = cache.note(read("a:1"), answer({ contents: [], ttlMs, cacheScope: "private" }));
    assertEquals(got.result, { contents: [], ttlMs: shown, cacheScope: "private" });
  }
  const plain = answer({ contents: [] });
  assertStrictEquals(cache.note(read("a:1"), plain), plain);
});

Deno.test("a change drops what was read of it, and what is below it", () => {
  using _timers = new FakeTimers();
  const cache = new ReadCache();
  for (const uri of ["a:1", "a:1/x", "b:1"]) {
    cache.note(read(uri), answer({ contents: [], ttlMs: 1000, cacheScope: "public" }));
  }
  cache.changed("a:1");
  const kept = () => ["a:1", "a:1/x", "b:1"].filter((uri) => cache.get(read(uri)));
  assertEquals(kept(), ["b:1"]);
  cache.changed();
  assertEquals(kept(), []);
});

Deno.test("what changes while it is read is not kept", () => {
  using _timers = new FakeTimers();
  const cache = new ReadCache();
  const { changes } = cache;
  cache.changed("a:1");
  const fresh = answer({ contents: [], ttlMs: 1000, cacheScope: "public" });
  assertEquals(cache.note(read("a:1"), fresh, changes), fresh);
  assertEquals(cache.get(read("a:1")), undefined);
  cache.note(read("a:1"), fresh, cache.changes);
  assertEquals(cache.get(read("a:1")) !== undefined, true);
});

Deno.test("answers to a retry, questions and what is stale at once are never kept", () => {
  using _timers = new FakeTimers();
  const cache = new ReadCache();
  const fresh = { ttlMs: 1000, cacheScope: "public" };
  cache.note(read("a:1", { answers: { requestState: "s" } }), answer({ contents: [], ...fresh }));
  cache.note(read("a:1"), answer({ resultType: "input_required", requestState: "s", ...fresh }));
  cache.note(read("a:1"), answer({ contents: [], ttlMs: 0 }));
  cache.note(read("a:1"), answer({ contents: [] }));
  assertEquals(cache.get(read("a:1")), undefined);
});

Deno.test("what is kept for one server is bounded, and the resource read longest ago makes room", () => {
  using _timers = new FakeTimers();
  const cache = new ReadCache();
  const text = "x".repeat(900_000);
  for (let n = 0; n < 6; n++) {
    cache.note(read(`a:${n}`), answer({ contents: [{ text }], ttlMs: 1000, cacheScope: "public" }));
    cache.get(read("a:0"));
  }
  const kept = [0, 1, 2, 3, 4, 5].filter((n) => cache.get(read(`a:${n}`)));
  assertEquals(kept, [0, 3, 4, 5]);
});

Deno.test("what is kept for callers of many capabilities is bounded too", () => {
  using _timers = new FakeTimers();
  const cache = new ReadCache();
  const { caller } = read("a:1");
  const of = (n: number) =>
    read("a:1", { caller: { ...caller, capabilities: { experimental: { x: "x".repeat(60_000) + n } } } });
  for (let n = 0; n < 100; n++) {
    cache.note(of(n), answer({ contents: [], ttlMs: 1000, cacheScope: "public" }));
  }
  assertEquals([0, 25, 50, 75, 99].map((n) => cache.get(of(n)) !== undefined), [
    false,
    false,
    true,
    true,
    true,
  ]);
});

Deno.test("what has expired makes room before what is fresh", () => {
  using timers = new FakeTimers();
  const cache = new ReadCache();
  const text = "x".repeat(900_000);
  for (const n of [0, 1, 2, 3, 4]) {
    if (n === 4) timers.pass(200);
    const ttlMs = n === 0 ? 1000 : 100;
    cache.note(read(`a:${n}`), answer({ contents: [{ text }], ttlMs, cacheScope: "public" }));
  }
  assertEquals([0, 1, 4].map((n) => cache.get(read(`a:${n}`)) !== undefined), [true, false, true]);
});
