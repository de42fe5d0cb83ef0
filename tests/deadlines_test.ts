import { assertEquals } from "@std/assert";
import { Deadlines } from "../lib/admission/deadlines.ts";

Deno.test("deadlines of a length end in their order, and one that was met never does", async () => {
  const deadlines = new Deadlines();
  const ended: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  deadlines.after(20, () => ended.push("first"));
  const met = deadlines.after(20, () => ended.push("met"));
  deadlines.after(20, () => {
    ended.push("last");
    resolve();
  });
  met[Symbol.dispose]();
  await promise;
  assertEquals(ended, ["first", "last"]);
});

Deno.test("a deadline made after the first was met still ends in its own time", async () => {
  const deadlines = new Deadlines();
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = deadlines.after(30, () => {});
  deadlines.after(30, resolve);
  first[Symbol.dispose]();
  await promise;
});

Deno.test("no deadline, no timer: nothing is left behind", () => {
  const deadlines = new Deadlines();
  for (let i = 0; i < 3; i++) deadlines.after(60_000, () => {})[Symbol.dispose]();
});
