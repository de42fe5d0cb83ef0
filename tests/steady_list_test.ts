import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { steadyList } from "../lib/upstream/lists/steady_list.ts";

const schema = { type: "object", properties: { a: { type: ["string", "null"] } }, required: ["a", "b"] };
const tool = (name: string, more: JsonObject = {}): JsonObject => ({ name, inputSchema: schema, ...more });

Deno.test("a list in another order, or with other orders of keys and sets, is the list of before", () => {
  const before = [tool("a"), tool("b", { annotations: { x: 1, y: [1, 2] } })];
  const reordered = { required: ["b", "a"], properties: { a: { type: ["null", "string"] } }, type: "object" };
  const again = [
    { annotations: { y: [1, 2], x: 1 }, inputSchema: reordered, name: "b" },
    { inputSchema: schema, name: "a" },
  ];
  assertStrictEquals(steadyList(before, again), before);
  assertStrictEquals(steadyList(before, structuredClone(before)), before);
});

Deno.test("what has changed is as the server lists it now, and the rest as before", () => {
  const before = [tool("a"), tool("b"), tool("c")];
  const now = [tool("a", { title: "anew" }), tool("new"), { inputSchema: schema, name: "c" }];
  const steady = steadyList(before, now);
  assertEquals(steady, now);
  assertStrictEquals(steady[2], before[2]);
  assertEquals(Object.keys(steady[2]!), ["name", "inputSchema"]);
});

Deno.test("of a server that shuffles its list the order stays, and what is new comes last", () => {
  const before = ["a", "b", "c"].map((name) => tool(name));
  const steady = steadyList(before, ["new", "c", "a"].map((name) => tool(name)));
  assertEquals(steady.map(({ name }) => name), ["a", "c", "new"]);
});

Deno.test("a change is never taken for none", () => {
  const before = [tool("a", { annotations: { y: [1, 2] } })];
  const others: JsonObject[] = [
    tool("a"),
    tool("a", { annotations: { y: [2, 1] } }),
    tool("a", { annotations: { y: [1, 2], required: null } }),
    tool("a", { annotations: { y: [1, 2] }, enum: ["a", "b"] }),
    { ...before[0], inputSchema: { ...schema, required: ["a"] } },
    { ...before[0], inputSchema: { ...schema, properties: { a: { type: ["string"] } } } },
    { ...before[0], inputSchema: { ...schema, properties: { a: { type: "string" } } } },
  ];
  for (const other of others) assertEquals(steadyList(before, [other]), [other]);
  const ranked = [tool("a", { annotations: { required: ["a", "b"] } })];
  const reranked = [tool("a", { annotations: { required: ["b", "a"] } })];
  assertEquals(steadyList(ranked, reranked), reranked, "only in a schema that is a set");
  const twice = [tool("a"), tool("a", { title: "other" })];
  assertStrictEquals(steadyList(before, twice), twice, "which is which cannot be told");
  const deep: JsonObject = {};
  let inner = deep;
  for (let i = 0; i < 20_000; i++) inner = inner.x = {};
  assertNotStrictEquals(steadyList(before, [deep]), before);
});

Deno.test("resources are told apart by their addresses, not by their names", () => {
  const before = [{ uri: "x:1", name: "same" }, { uri: "x:2", name: "same" }];
  assertStrictEquals(steadyList(before, [...before].reverse()), before);
});
