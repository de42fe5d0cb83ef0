import { assertEquals } from "@std/assert";
import type { GivenName, NamedServer, NamesChange, PublicNameStore } from "../lib/router/name_store.ts";
import { type NameOffer, PublicNames } from "../lib/router/public_names.ts";
import { HOUR_MS, MINUTE_MS } from "../lib/base/units.ts";

const DAY_MS = 24 * HOUR_MS;

/** Offers as `server/name`. */
const offers = (...texts: string[]): NameOffer[] =>
  texts.map((text) => {
    const [server, name] = text.split("/") as [string, string];
    return { server, name, naming: "own" };
  });

const servers = (...names: string[]) => names.map((name) => ({ name, identity: `program of ${name}` }));

/** A store in memory, as the next daemon finds it. */
class MemoryStore implements PublicNameStore {
  readonly servers = new Map<string, NamedServer>();
  readonly names = new Map<string, GivenName>();

  load() {
    return { servers: [...this.servers.values()], names: [...this.names.values()].reverse() };
  }

  save({ servers = [], names = [], goneServers = [], goneNames = [] }: NamesChange) {
    for (const name of goneServers) this.servers.delete(name);
    for (const { kind, publicName } of goneNames) this.names.delete(`${kind} ${publicName}`);
    for (const server of servers) this.servers.set(server.name, server);
    for (const name of names) this.names.set(`${name.kind} ${name.publicName}`, name);
  }
}

/** The names of one home over several daemons, at a time that the test sets. */
function home() {
  const store = new MemoryStore();
  const clock = { nowMs: 1e12 };
  return {
    store,
    clock,
    daemon: () => new PublicNames({ store, ownServers: ["exai"], now: () => clock.nowMs }),
  };
}

/** Every order of `items`. */
function orders<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) => orders(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

Deno.test("a server mounted later changes no name: it gets its own name in front, for as long as it stays", () => {
  const { daemon } = home();
  let names = daemon();
  names.configure(servers("b"));
  assertEquals(names.assign("tools", offers("b/echo", "b/only")), ["echo", "only"]);
  names.configure(servers("a", "b"));
  assertEquals(names.assign("tools", offers("a/echo", "b/echo")), ["a__echo", "echo"]);
  names = daemon();
  names.configure(servers("a", "b"));
  assertEquals(names.assign("tools", offers("a/echo")), ["a__echo"], "also while the first is not there");
  assertEquals(names.assign("tools", offers("a/echo", "b/echo")), ["a__echo", "echo"]);
  assertEquals(names.assign("prompts", offers("a/echo")), ["echo"], "prompts have names of their own");
});

Deno.test("servers mounted together get the same names in whatever order they are known", () => {
  const lists = [offers("a/search", "a/x"), offers("b/search", "b/y"), offers("c/search", "c/x")];
  const results = orders(lists).map((order) => {
    const { daemon } = home();
    const names = daemon();
    names.configure(servers("a", "b", "c"));
    order.forEach((_, i) => names.assign("tools", order.slice(0, i + 1).flat()));
    return names.assign("tools", lists.flat()).join();
  });
  assertEquals([...new Set(results)], ["a__search,a__x,b__search,y,c__search,c__x"]);
});

Deno.test("of servers mounted one after the other the first has the name, in whatever order they are known", () => {
  const lists = [offers("old/search"), offers("new/search"), offers("newer/search"), offers("newest/search")];
  const results = orders(lists).map((order) => {
    const { daemon } = home();
    const names = daemon();
    names.configure(servers("old"));
    names.configure(servers("old", "new"));
    names.configure(servers("old", "new", "newer", "newest"));
    order.forEach((_, i) => names.assign("tools", order.slice(0, i + 1).flat()));
    return names.assign("tools", lists.flat()).join();
  });
  assertEquals([...new Set(results)], ["search,new__search,newer__search,newest__search"]);
});

Deno.test("a name that stood for ten minutes stays, also when a server mounted together is known then", () => {
  for (const [waitMs, expected] of [[9, ["a__echo", "b__echo"]], [11, ["echo", "b__echo"]]] as const) {
    const { daemon, clock } = home();
    const names = daemon();
    names.configure(servers("a", "b"));
    names.assign("tools", offers("a/echo"));
    clock.nowMs += waitMs * MINUTE_MS;
    assertEquals(names.assign("tools", offers("a/echo", "b/echo")), expected);
  }
});

Deno.test("a server that gains a tool of a name another has leaves it to that at once", () => {
  const { daemon } = home();
  const names = daemon();
  names.configure(servers("a", "b"));
  names.assign("tools", offers("a/x", "b/echo"));
  assertEquals(names.assign("tools", offers("a/x", "a/echo", "b/echo")), ["x", "a__echo", "echo"]);
});

Deno.test("a name that two mounted together had stays theirs when one is gone, and is not given to a third", () => {
  const { daemon, clock } = home();
  const names = daemon();
  names.configure(servers("a", "b"));
  names.assign("tools", offers("a/echo", "b/echo"));
  names.configure(servers("a", "c"));
  assertEquals(names.assign("tools", offers("a/echo", "c/echo")), ["a__echo", "c__echo"]);
  clock.nowMs += 31 * DAY_MS;
  names.configure(servers("a", "c"));
  assertEquals(names.assign("tools", offers("a/echo", "c/echo")), ["a__echo", "c__echo"]);
});

Deno.test("removed or disabled and put back, a server has its names again; after 30 days they are free", () => {
  const { daemon, clock } = home();
  let names = daemon();
  names.configure(servers("a"));
  names.assign("tools", offers("a/echo", "a/other"));
  clock.nowMs += 100 * DAY_MS;
  names.configure([]);
  names.configure(servers("b"));
  assertEquals(names.assign("tools", offers("b/echo")), ["b__echo"]);
  clock.nowMs += 29 * DAY_MS;
  names = daemon();
  names.configure(servers("a", "b"));
  assertEquals(names.assign("tools", offers("a/echo", "b/echo")), ["echo", "b__echo"]);
  names.configure(servers("b"), ["a"]);
  clock.nowMs += 60 * DAY_MS;
  names.configure(servers("b"), ["a"]);
  assertEquals(names.assign("tools", offers("b/other")), ["b__other"], "disabled, it is still in the file");
  names.configure(servers("b", "c"));
  clock.nowMs += 31 * DAY_MS;
  names.configure(servers("b", "c"));
  assertEquals(names.assign("tools", offers("b/echo", "c/echo")), ["b__echo", "echo"], "c has what is free");
});

Deno.test("a daemon that runs for months does not forget when a server was there last", () => {
  const { daemon, clock } = home();
  let names = daemon();
  names.configure(servers("a"));
  for (let day = 0; day < 60; day++) {
    clock.nowMs += DAY_MS + 1;
    names.assign("tools", offers("a/echo"));
  }
  // The file is changed while no daemon runs.
  names = daemon();
  names.configure(servers("b"));
  assertEquals(names.assign("tools", offers("b/echo")), ["b__echo"]);
});

Deno.test("an entry that is given another name takes its names along, and leaves those with the old one", () => {
  const { daemon } = home();
  let names = daemon();
  names.configure(servers("a", "old"));
  names.assign("tools", offers("a/x", "old/x", "old/echo"));
  const renamed = [{ name: "new", identity: "program of old" }];
  names = daemon();
  names.configure([...servers("a"), ...renamed]);
  assertEquals(names.assign("tools", offers("a/x", "new/x", "new/echo")), ["a__x", "new__x", "echo"]);
  // A copy of an entry is another server.
  names.configure([...servers("a"), ...renamed, { name: "copy", identity: "program of old" }]);
  assertEquals(names.assign("tools", offers("copy/echo", "new/echo")), ["copy__echo", "echo"]);
});

Deno.test("EXAI's own tools come first, but take no name that a mounted server has had", () => {
  const { daemon } = home();
  const names = daemon();
  names.configure(servers("a"));
  assertEquals(names.assign("tools", offers("a/chat", "exai/chat")), ["a__chat", "chat"]);
  assertEquals(names.assign("tools", offers("a/review")), ["review"]);
  assertEquals(names.assign("tools", offers("exai/review", "a/review")), ["exai__review", "review"]);
});

Deno.test("a name wished for in the configuration is given at once, and had by the other again afterwards", () => {
  const { daemon } = home();
  const names = daemon();
  names.configure(servers("a", "b", "c"));
  const all = offers("a/search", "b/find", "c/look");
  assertEquals(names.assign("tools", all), ["search", "find", "look"]);
  const wish: NameOffer = { server: "b", name: "search", naming: "wished" };
  const wished = new Map([["search", new Set(["b"])]]);
  assertEquals(names.assign("tools", [all[0]!, wish], wished), ["a__search", "search"]);
  assertEquals(
    names.assign("tools", [all[0]!], wished),
    ["a__search"],
    "while the list of b is not known too",
  );
  const both = new Map([["search", new Set(["b", "c"])]]);
  const other: NameOffer = { ...wish, server: "c" };
  assertEquals(names.assign("tools", [all[0]!, wish, other], both), ["a__search", "b__search", "c__search"]);
  assertEquals(names.assign("tools", all), ["search", "find", "look"]);
});

Deno.test("with the server's name always in front there is no other name, and without it again those of before", () => {
  const { daemon } = home();
  const names = daemon();
  names.configure(servers("a", "b"));
  names.assign("tools", offers("a/echo", "b/own"));
  const always = offers("a/echo", "a/more", "b/own").map((offer): NameOffer => ({
    ...offer,
    naming: "prefixed",
  }));
  assertEquals(names.assign("tools", always), ["a__echo", "a__more", "b__own"]);
  assertEquals(names.assign("tools", offers("a/echo", "a/more", "b/own")), ["echo", "more", "own"]);
});

Deno.test("who had a name is known of names given, and of no others", () => {
  const { daemon } = home();
  const names = daemon();
  names.configure(servers("a", "b"));
  names.assign("tools", offers("a/echo"));
  assertEquals(names.historyOf("tools", "echo"), { server: "a", isContested: false });
  names.assign("tools", offers("a/echo", "b/echo", "a/both", "b/both"));
  assertEquals(names.historyOf("tools", "echo"), { server: "a", isContested: true });
  const never = { server: undefined, isContested: true };
  assertEquals(names.historyOf("tools", "both"), never);
  assertEquals(names.historyOf("tools", "none"), { isContested: false });
  assertEquals(names.historyOf("tools", "a__echo"), { isContested: true }, "a's or nobody's");
});

Deno.test("names that only look like another's stay apart, a server may have a name twice, and none is too long", () => {
  const { daemon } = home();
  let names = daemon();
  names.configure(servers("a", "c"));
  const all = offers("a/b", "a/b", "c/b", "a/x y", `a/${"z".repeat(80)}`);
  const first = names.assign("tools", all);
  assertEquals(first.slice(0, 1), ["a__b"]);
  assertEquals(new Set(first).size, first.length);
  assertEquals(names.assign("tools", all), first);
  names = daemon();
  names.configure(servers("a", "c", "d"));
  const later = names.assign("tools", [...offers("d/a__b"), ...all]);
  assertEquals(later, ["d__a__b", ...first]);
});

Deno.test("a server whose tools have ever new names does not fill the memory, nor take names of others", () => {
  const { daemon, store } = home();
  const names = daemon();
  names.configure(servers("a", "b"));
  names.assign("tools", offers("b/echo"));
  for (let round = 0; round < 8; round++) {
    names.assign("tools", offers(...Array.from({ length: 1000 }, (_, i) => `a/tool${round}_${i}`)));
  }
  assertEquals(store.names.size, 5001);
  assertEquals(store.names.has("tools echo"), true);
  assertEquals(store.names.has("tools tool7_999"), true);
});
