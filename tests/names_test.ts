import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { fnv1a } from "../lib/base/text.ts";
import type { NamedOffer } from "../lib/router/names.ts";
import { PublicNames } from "../lib/router/public_names.ts";
import { configuredName } from "../lib/router/tool_names.ts";

/** The names that servers mounted together are given for the tools they offer. */
function publicNames(offers: readonly NamedOffer[]): string[] {
  return new PublicNames().assign("tools", offers.map((offer) => ({ ...offer, naming: "own" })));
}

Deno.test("a name that is unique and valid stays as its server gave it", () => {
  assertEquals(publicNames([{ server: "fs", name: "read_file" }]), ["read_file"]);
});

Deno.test("a name two servers share is told apart by its server", () => {
  const offers = [{ server: "a", name: "search" }, { server: "b", name: "search" }];
  assertEquals(publicNames(offers), ["a__search", "b__search"]);
});

Deno.test("a name that is too long or invalid becomes one that every client takes, and stays unique", () => {
  const long = "x".repeat(90);
  const offers = [
    { server: "a", name: long + "1" },
    { server: "a", name: long + "2" },
    { server: "a", name: "with space" },
    { server: "a", name: "with_space" },
    { server: "a", name: "日本" },
  ];
  const names = publicNames(offers);
  for (const name of names) assertMatch(name, /^[A-Za-z0-9_-]{1,64}$/);
  assertEquals(new Set(names).size, names.length);
  assertEquals(publicNames(offers), names);
  assertNotEquals(names[0], names[1]);
});

Deno.test("a server whose name and tool happen to spell another's name does not take its place", () => {
  const offers = [
    { server: "a", name: "b" },
    { server: "c", name: "b" },
    { server: "d", name: "a__b" },
  ];
  const names = publicNames(offers);
  assertEquals(names, ["a__b", "c__b", "d__a__b"]);
  assertEquals(new Set(names).size, 3);
});

Deno.test("a name may be 64 characters long, and a longer one ends in a hash of the whole", () => {
  const [fits, long] = ["x".repeat(64), "x".repeat(65)];
  assertEquals(publicNames([{ server: "a", name: fits }]), [fits]);
  const hash = (text: string) => `_${fnv1a(text)}`;
  assertEquals(publicNames([{ server: "a", name: long }]), [
    `a__${long}`.slice(0, 64 - 8) + hash(`a__${long}#0`),
  ]);
  // So with its server's name in front.
  const [shared, longer] = ["y".repeat(61), "y".repeat(62)];
  const both = (name: string) => publicNames([{ server: "a", name }, { server: "b", name }])[0];
  assertEquals(both(shared), `a__${shared}`);
  assertEquals(both(longer), `a__${longer}`.slice(0, 56) + hash(`a__${longer}#0`));
});

Deno.test("what a name has that clients do not take is written as an underscore, and stays apart from all others", () => {
  const first = `a__x_y_${fnv1a("a__x y#0")}`;
  assertEquals(publicNames([{ server: "a", name: "x y" }]), [first]);
  assertEquals(publicNames([{ server: "a", name: "x y" }, { server: "b", name: `z${first}` }]), [
    first,
    `z${first}`,
  ]);
  const alike = [{ server: "a", name: "x y" }, { server: "b", name: first }];
  assertEquals(publicNames(alike), [first, `b__${first}`]);
  assertEquals(publicNames([{ server: "a", name: "" }]), ["a__"]);
  assertEquals(publicNames([{ server: "a", name: "b" }, { server: "a", name: "b" }]), [
    "a__b",
    `a__b_${fnv1a("a__b#0")}`,
  ]);
});

Deno.test("rename of the configuration comes before its prefix; without either a tool has its own name", () => {
  const server = { toolNaming: { rename: { b: "bee", toString: "text" }, prefix: "my_" } };
  const names = ["ab", "b", "", "toString", "constructor"].map((own) => configuredName(own, server));
  assertEquals(names, ["my_ab", "bee", "my_", "text", "my_constructor"]);
  assertEquals(configuredName("b", {}), "b");
});
