import { assertEquals, assertStrictEquals } from "@std/assert";
import { type JsonObject, textOf } from "../lib/base/json.ts";
import type { Server } from "../lib/call/server.ts";
import { byKey, type CatalogEntry, entryOf, shownAs } from "../lib/router/entries.ts";

function entry(server: string, own: JsonObject): CatalogEntry {
  return { server: { name: server } as Server, name: textOf(own.name) ?? "", own };
}

Deno.test("an entry is shown under its merged name; what is known by its URI, or has no name, as it is", () => {
  const tool = entry("one", { name: "echo", title: "Echo" });
  assertEquals(shownAs("one__echo", tool), { name: "one__echo", title: "Echo" });
  assertStrictEquals(shownAs("echo", tool), tool.own);
  for (const own of [{ name: "a", uri: "x:1" }, { name: "a", uriTemplate: "x:{n}" }, { title: "none" }]) {
    assertStrictEquals(shownAs("other", entry("one", own)), own);
  }
});

Deno.test("tools and prompts of one name are told apart by their servers", () => {
  const all = [entry("one", { name: "echo" }), entry("two", { name: "echo" }), entry("two", { name: "own" })];
  for (const kind of ["tools", "prompts"] as const) {
    assertEquals([...byKey(kind, all)], [["one__echo", all[0]], ["two__echo", all[1]], ["own", all[2]]]);
  }
});

Deno.test("of resources and templates of one URI the first answers for it", () => {
  const resources = ["one", "two"].map((server) => entry(server, { name: server, uri: "x:1" }));
  assertEquals([...byKey("resources", resources)], [["x:1", resources[0]]]);
  const templates = ["one", "two"].map((server) => entry(server, { uriTemplate: "x:{n}" }));
  assertEquals([...byKey("templates", templates)], [["x:{n}", templates[0]]]);
});

Deno.test("what has no text for its key cannot be asked for", () => {
  const odd = [{}, { name: 1 }, { name: null }].map((own) => entry("one", own));
  for (const kind of ["tools", "resources", "templates"] as const) assertEquals(byKey(kind, odd).size, 0);
});

Deno.test("a server's name before a tool's leads to it, and not to a resource", () => {
  const all = [
    entry("one", { name: "r", uri: "x:1" }),
    entry("one", { name: "t", uriTemplate: "x:{n}" }),
    entry("two", { name: "echo" }),
    entry("one", { name: "echo" }),
  ];
  const entries = new Map([["plain", all[2]!]]);
  const find = (key: string) => entryOf(key, { entries, all });
  assertEquals([find("plain"), find("two__echo"), find("one__echo")], [all[2], all[2], all[3]]);
  for (const key of ["echo", "one__r", "one__t", "three__echo"]) assertEquals(find(key), undefined, key);
});
