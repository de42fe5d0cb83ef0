import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Permit, Permits } from "../lib/admission/permits.ts";
import { ExaiError } from "../lib/base/errors.ts";

const never = new AbortController().signal;

Deno.test("a permit is given back once, however often it is disposed", () => {
  const permits = new Permits({ perKey: 2, total: 2, queueMax: 0 });
  const permit = permits.acquire("a", never) as Permit;
  permit[Symbol.dispose]();
  permit[Symbol.dispose]();
  assertEquals(permits.held, 0);
});

Deno.test("sessions are served in turn: a busy one does not starve another", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const first = permits.acquire("busy", never) as Permit;
  const order: string[] = [];
  const run = async (key: string) => {
    using permit = await permits.acquire(key, never);
    order.push(permit.key);
  };
  const all = [run("busy"), run("busy"), run("busy"), run("quiet")];
  first[Symbol.dispose]();
  await Promise.all(all);
  assertEquals(order, ["busy", "quiet", "busy", "busy"]);
});

Deno.test("a waiter that is aborted leaves at once and its place goes to the next", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const first = permits.acquire("a", never) as Permit;
  const controller = new AbortController();
  const gone = permits.acquire("a", controller.signal) as Promise<Permit>;
  const next = permits.acquire("a", never) as Promise<Permit>;
  controller.abort();
  await assertRejects(() => gone, ExaiError, "cancelled");
  assertEquals(permits.waiting, 1);
  first[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  assertEquals([permits.held, permits.waiting], [0, 0]);
});

Deno.test("a session at its own limit does not hold back another", () => {
  const permits = new Permits({ perKey: 1, total: 2, queueMax: 9 });
  permits.acquire("a", never);
  permits.acquire("a", never);
  assertEquals((permits.acquire("b", never) as Permit).key, "b");
});

Deno.test("a full queue refuses and says when to come back", () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 0 });
  permits.acquire("a", never);
  const error = assertThrows(() => permits.acquire("a", never), ExaiError) as ExaiError;
  assertEquals(error.code, "OVER_CAPACITY");
  assertEquals(error.retryAfterMs! >= 100, true);
});
