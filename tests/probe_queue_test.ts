import { assertEquals, assertRejects } from "@std/assert";
import { ProbeQueue } from "../lib/upstream/lists/probe_queue.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

/** Lets what is resolved run on. */
const turns = async () => {
  for (let n = 0; n < 20; n++) await Promise.resolve();
};

Deno.test("servers are started few at a time, and one that hangs holds up the others for five seconds only", async () => {
  using timers = new FakeTimers();
  const queue = new ProbeQueue();
  const begun: number[] = [];
  const ends = Array.from({ length: 6 }, () => Promise.withResolvers<void>());
  const all = ends.map(({ promise }, n) => queue.run(() => (begun.push(n), promise), { isKnown: false }));
  await turns();
  assertEquals(begun, [0, 1, 2, 3]);
  ends[1]!.resolve();
  await all[1];
  await turns();
  assertEquals(begun, [0, 1, 2, 3, 4]);
  timers.pass(4999);
  await turns();
  assertEquals(begun.length, 5);
  timers.pass(1);
  await turns();
  assertEquals(begun.length, 6);
  for (const { resolve } of ends) resolve();
  await Promise.all(all);
  await turns();
  assertEquals(timers.size, 0);
});

Deno.test("what nobody waits for is checked one after another, and does not hold up what is new", async () => {
  const queue = new ProbeQueue();
  const begun: string[] = [];
  const held = Promise.withResolvers<void>();
  const run = (name: string, isKnown: boolean) =>
    queue.run(() => (begun.push(name), held.promise), { isKnown });
  const all = [run("check", true), run("check too", true), run("new", false)];
  await turns();
  assertEquals(begun, ["check", "new"]);
  held.resolve();
  await Promise.all(all);
  assertEquals(begun, ["check", "new", "check too"]);
  await assertRejects(
    () => queue.run(() => Promise.reject(new Error("ill")), { isKnown: true }),
    Error,
    "ill",
  );
  assertEquals(await queue.run(() => Promise.resolve(7), { isKnown: true }), 7, "a failure frees its place");
});
