import { changedLists, listChangedMethod } from "../lib/call/list_changes.ts";
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { setupLog } from "../lib/base/log.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { ListKind } from "../lib/call/server.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { isSameList, ListCache, truncationOf } from "../lib/upstream/lists/list_cache.ts";
import { mayRepeat } from "../lib/upstream/repeatable_call.ts";
import { ShownLists } from "../lib/upstream/lists/shown_lists.ts";
import { ToolFilter } from "../lib/upstream/lists/tool_filter.ts";
import { call } from "./helpers/call.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";

const tool = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  inputSchema: { type: "object" },
  ...more,
});

/** A cache of what a server shows, with what it was asked. */
function cacheOf(
  pages: (method: string, params: JsonObject) => Result | Promise<Result>,
  options: { has?: ListKind[]; isAnnounced?: boolean } = {},
) {
  const asked: string[] = [];
  const cache = new ListCache({
    ask: (method, params) => {
      asked.push(method);
      return Promise.resolve(pages(method, params));
    },
    has: (kind) => options.has?.includes(kind) ?? true,
    isAnnounced: () => options.isAnnounced ?? true,
  });
  return { cache, asked };
}

const namesOf = (list: readonly JsonObject[] | undefined) => list?.map(({ name }) => name);

Deno.test("a list is asked for once, page after page, until it is said to have changed", async () => {
  let version = 1;
  const { cache, asked } = cacheOf((_, { cursor }) =>
    cursor === undefined
      ? { result: { tools: [tool("a")], nextCursor: "2" } }
      : { result: { tools: [tool(`b${version}`)] } }
  );
  assertEquals(await cache.known("tools"), undefined);
  const first = await cache.get("tools");
  assertEquals([namesOf(first), namesOf(await cache.known("tools"))], [["a", "b1"], ["a", "b1"]]);
  assert(await cache.get("tools") === first);
  assertEquals(asked, ["tools/list", "tools/list"]);
  version = 2;
  cache.forget("tools");
  assertEquals(namesOf(await cache.get("tools")), ["a", "b2"]);
});

Deno.test("a list a server does not have is empty, and not asked for", async () => {
  const { cache, asked } = cacheOf(() => ({ result: {} }), { has: ["prompts"] });
  assertEquals([await cache.get("tools"), asked], [[], []]);
});

Deno.test("a list whose change is not announced is good for half a minute, and so is one that was cut", async () => {
  using clock = new SteadyClock();
  for (const [isAnnounced, nextCursor] of [[false, undefined], [true, 7]] as const) {
    const { cache, asked } = cacheOf(() => ({ result: { tools: [tool("a")], nextCursor } as JsonObject }), {
      isAnnounced,
    });
    const first = await cache.get("tools");
    assertEquals(typeof truncationOf(first), isAnnounced ? "string" : "undefined");
    clock.pass(29_999);
    await cache.get("tools");
    assertEquals(asked.length, 1);
    clock.pass(1);
    assert(await cache.get("tools") === first, "the same while it says the same");
    assertEquals(asked.length, 2);
  }
  const { cache, asked } = cacheOf(() => ({ result: { tools: [tool("a")] } }));
  await cache.get("tools");
  clock.pass(1_000_000);
  await cache.get("tools");
  assertEquals(asked.length, 1);
});

Deno.test("a list that could not be had is tried again, and the one of before stays what it was for who holds it", async () => {
  let fails = true;
  const { cache } = cacheOf(() =>
    fails ? { error: { code: 1, message: "busy" } } : { result: { tools: [tool("a")] } }
  );
  await assertRejects(() => cache.get("tools"), Error, "busy");
  assertEquals(await cache.known("tools"), undefined);
  fails = false;
  assertEquals(namesOf(await cache.get("tools")), ["a"]);
});

Deno.test("who asks while a list is on its way waits for the same answer", async () => {
  const page = Promise.withResolvers<Result>();
  const { cache, asked } = cacheOf(() => page.promise, { isAnnounced: false });
  const both = [cache.get("tools"), cache.get("tools")];
  page.resolve({ result: { tools: [tool("a")] } });
  assertEquals((await Promise.all(both)).map(namesOf), [["a"], ["a"]]);
  assertEquals(asked.length, 1);
});

Deno.test("a list on its way is not asked for again, however long it takes", () => {
  using clock = new SteadyClock();
  const { cache, asked } = cacheOf(() => new Promise<Result>(() => {}), { isAnnounced: false });
  const first = cache.get("tools");
  clock.pass(40_000);
  assertEquals([cache.get("tools") === first, asked.length], [true, 1]);
});

Deno.test("the failure of an older request does not take away what a newer one has brought", async () => {
  const old = Promise.withResolvers<Result>();
  let isFirst = true;
  const { cache } = cacheOf(() => {
    if (!isFirst) return { result: { tools: [tool("a")] } };
    isFirst = false;
    return old.promise;
  });
  const failing = cache.get("tools");
  cache.forget("tools");
  await cache.get("tools");
  old.reject(new Error("late"));
  await assertRejects(() => failing, Error, "late");
  assertEquals(namesOf(await cache.known("tools")), ["a"]);
});

Deno.test("a list that was cut and now is whole is another, though its entries are the same", async () => {
  using clock = new SteadyClock();
  let nextCursor: unknown = 7;
  const { cache } = cacheOf(() => ({ result: { tools: [tool("a")], nextCursor } as JsonObject }));
  const cut = await cache.get("tools");
  clock.pass(30_000);
  nextCursor = undefined;
  const whole = await cache.get("tools");
  assertNotEquals(truncationOf(cut), undefined);
  assertEquals([cut === whole, truncationOf(whole)], [false, undefined]);
});

Deno.test("catching up asks for what is known again and says what has changed; what cannot be had is left out", async () => {
  let answers: Partial<Record<string, Result>> = {};
  const { cache, asked } = cacheOf((method) => answers[method] ?? { result: {} });
  answers = {
    "tools/list": { result: { tools: [tool("a")] } },
    "prompts/list": { result: { prompts: [{ name: "p" }] } },
    "resources/list": { result: { resources: [] } },
  };
  for (const kind of ["tools", "prompts", "resources"] as const) await cache.get(kind);
  answers["tools/list"] = { result: { tools: [tool("b")] } };
  answers["prompts/list"] = { error: { code: 1, message: "busy" } };
  asked.length = 0;
  assertEquals(await cache.catchUp(), ["tools"]);
  assertEquals(asked.toSorted(), ["prompts/list", "resources/list", "tools/list"]);
});

Deno.test("a list is refreshed for all who want it together, at most once a second", async () => {
  let names = ["a"];
  const { cache, asked } = cacheOf(() => ({ result: { tools: names.map((name) => tool(name)) } }));
  assertEquals(namesOf(await cache.refresh("tools")), ["a"]);
  assertEquals(asked.length, 1);
  names = ["a", "b"];
  const beganMs = performance.now();
  const both = [cache.refresh("tools"), cache.refresh("tools")];
  assertEquals((await Promise.all(both)).map(namesOf), [["a", "b"], ["a", "b"]]);
  const tookMs = performance.now() - beganMs;
  assertEquals([asked.length, tookMs > 900 && tookMs < 5000], [2, true], `${tookMs} ms`);
  using clock = new SteadyClock();
  clock.pass(2000);
  names = ["c"];
  assertEquals(namesOf(await cache.refresh("tools")), ["c"]);
});

Deno.test("each notification of a change speaks of its lists, and each list has its notification", () => {
  assertEquals(changedLists("notifications/tools/list_changed"), ["tools"]);
  assertEquals(changedLists("notifications/prompts/list_changed"), ["prompts"]);
  assertEquals(changedLists("notifications/resources/list_changed"), ["resources", "templates"]);
  assertEquals(changedLists("notifications/roots/list_changed"), []);
  for (const kind of ["tools", "prompts", "resources"] as const) {
    assertEquals(listChangedMethod(kind), `notifications/${kind}/list_changed`);
  }
  assertEquals(listChangedMethod("templates"), "notifications/resources/list_changed");
});

Deno.test("lists are the same when they say the same, and not when that cannot be told", () => {
  assertEquals(
    [isSameList([{ a: 1 }], [{ a: 1 }]), isSameList([{ a: 1 }], [{ a: 2 }]), isSameList([], [{}])],
    [
      true,
      false,
      false,
    ],
  );
  const round: JsonObject = {};
  round.round = round;
  assertEquals(isSameList([round], [round]), false);
});

const CHOICE = { exclude: [] };

Deno.test("the configuration says which tools are offered", () => {
  const all = new ToolFilter(CHOICE);
  assertEquals(all.offers("a"), true);
  const filter = new ToolFilter({ include: ["a*", "b"], exclude: ["*x"] });
  assertEquals(["ab", "b", "ax", "c"].map((name) => filter.offers(name)), [true, true, false, false]);
  assertEquals([tool("ax"), tool("ab"), { name: 7 }, "odd"].map((entry) => filter.offersEntry(entry)), [
    false,
    true,
    true,
    true,
  ]);
});

Deno.test("a list is shown without what clients refuse and what is not offered; what is wrong with it is told", async () => {
  const shown = new ShownLists("s", new ToolFilter({ exclude: ["secret"] }));
  const list = [tool("a"), { name: "bad" }, { name: "secret" }];
  assertEquals(shown.faultsOf(list), []);
  const of = await shown.of("tools", list);
  assertEquals(namesOf(of), ["a"]);
  assert(await shown.of("tools", list) === of);
  const faults = shown.faultsOf(list);
  assertEquals(
    [faults.length, /^tools: tool "?bad"? is left out: /.test(faults[0]!)],
    [1, true],
    faults.join(),
  );
  const prompts = [{ name: "secret" }];
  assertEquals(await shown.of("prompts", prompts), prompts);
  const { cache } = cacheOf(() => ({ result: { tools: [tool("a")], nextCursor: 7 } as JsonObject }));
  const cut = await cache.get("tools");
  await shown.of("tools", cut);
  assertEquals(shown.faultsOf(cut), [`tools: ${truncationOf(cut)}`]);
});

Deno.test("what is wrong with a list is logged once, however often it comes, and again when something else is", async () => {
  const lines: string[] = [];
  setupLog({
    level: "warning",
    format: "text",
    sinks: { test: (format) => (record) => lines.push(format(record)) },
  });
  const shown = new ShownLists("far", new ToolFilter(CHOICE));
  await shown.of("tools", [tool("a")]);
  assertEquals(lines, []);
  for (let n = 0; n < 2; n++) await shown.of("tools", [{ name: "one" }, { name: "two" }]);
  assertEquals([lines.length, /far: tools: .*one.*; tools: .*two/.test(lines[0]!)], [1, true], lines[0]);
  await shown.of("tools", [tool("a")]);
  assertEquals(lines.length, 1);
  await shown.of("prompts", [{ name: 7 }]);
  await shown.of("tools", [{ name: "one" }, { name: "two" }]);
  assertEquals(lines.length, 3);
});

Deno.test("an output schema that no client can read is left out of a tool, and of nothing else", async () => {
  const shown = new ShownLists("far", new ToolFilter(CHOICE));
  const odd = { outputSchema: { type: "object", properties: { a: { $ref: "#/nowhere" } } } };
  const [entry] = await shown.of("tools", [tool("a", odd)]);
  assertEquals([entry!.name, entry!.outputSchema], ["a", undefined]);
});

Deno.test("a call is made again where it did not run, or where running twice does no harm", async () => {
  const failed = (outcome?: string) =>
    new ExaiError("UPSTREAM_UNAVAILABLE", "gone", outcome ? { details: { outcome } } : {});
  const of = (parts: Parameters<typeof call>[0], thrown: unknown = failed("unknown"), lists?: ListCache) =>
    mayRepeat(thrown, call(parts), { lists });
  assertEquals(await of({}, failed("not_run")), true);
  assertEquals(await of({ signal: AbortSignal.abort() }, failed("not_run")), false);
  assertEquals(await of({}, new Error("not ours")), false);
  assertEquals(await of({ method: "resources/read" }, failed()), false);
  assertEquals(await of({ method: "resources/read" }), true);
  assertEquals(await of({ method: "tasks/cancel" }), false);
  assertEquals(await of({}), false);
  const { cache, asked } = cacheOf(() => ({
    result: { tools: [tool("probe", { annotations: { readOnlyHint: true } }), tool("write")] },
  }));
  assertEquals(await of({}, failed("unknown"), cache), false);
  assertEquals(asked, []);
  await cache.get("tools");
  assertEquals(await of({}, failed("unknown"), cache), true);
  assertEquals(await of({ params: { name: "write" } }, failed("unknown"), cache), false);
  assertEquals(await of({ params: { name: "none" } }, failed("unknown"), cache), false);
});
