import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { publicNames } from "../lib/router/names.ts";

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
  assertEquals(names[2], "a__b");
  assertEquals(new Set(names).size, 3);
});
