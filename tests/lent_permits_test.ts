import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Permit, Permits } from "../lib/admission/permits.ts";
import { ExaiError } from "../lib/base/errors.ts";
import type { CallTrace } from "../lib/call/trace.ts";
import { currentWait } from "../lib/call/wait.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

const never = new AbortController().signal;

/** When a call of `key` that is refused is to come back, in milliseconds. */
function retryAfterMs(permits: Permits, key = "a"): number {
  return permits.overCapacity(key).retryAfterMs!;
}

Deno.test("a permit that is lent while its call waits for its client is another's meanwhile, and comes back first", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const first = permits.acquire("a", never) as Permit;
  first.lend();
  const second = permits.acquire("b", never) as Permit;
  const third = permits.acquire("c", never) as Promise<Permit>;
  const trace: CallTrace = {};
  const back = first.takeBack({ signal: never, trace });
  assertEquals([permits.held, permits.waiting], [1, 2]);
  assertStringIncludes(
    currentWait(trace)!.what(),
    "a permit of the daemon, which runs 1 calls (0 before it)",
  );
  second[Symbol.dispose]();
  await back;
  assertEquals([permits.held, permits.waiting, currentWait(trace)], [1, 1, undefined]);
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  assertEquals([permits.held, permits.waiting], [0, 0]);
});

Deno.test("a permit is lent once however many questions are open, and none is lost when its call ends meanwhile", async () => {
  const permits = new Permits({ perKey: 2, total: 2, queueMax: 9 });
  const call = { signal: never };
  const permit = permits.acquire("a", never) as Permit;
  permit.lend();
  permit.lend();
  await permit.takeBack(call);
  assertEquals(permits.held, 0, "one question is still open");
  permit.lend();
  await permit.takeBack(call);
  await permit.takeBack(call);
  assertEquals(permits.held, 1);
  permit.lend();
  permit[Symbol.dispose]();
  await permit.takeBack(call);
  assertEquals(permits.held, 0);
  // Asked again, and ended, while it waits to get its permit back.
  const [one, other] = [permits.acquire("a", never) as Permit, permits.acquire("a", never) as Permit];
  one.lend();
  const third = permits.acquire("a", never) as Permit;
  const back = one.takeBack(call);
  one.lend();
  third[Symbol.dispose]();
  await back;
  assertEquals(permits.held, 1, "it is lent again");
  await one.takeBack(call);
  assertEquals(permits.held, 2);
  for (const held of [one, other, third]) held[Symbol.dispose]();
  assertEquals([permits.held, permits.waiting], [0, 0]);
});

Deno.test("a call with a question that is still open does not wait for its permit", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const permit = permits.acquire("a", never) as Permit;
  permit.lend();
  permit.lend();
  using _other = permits.acquire("b", never) as Permit;
  await permit.takeBack({ signal: never });
  assertEquals([permits.held, permits.waiting], [1, 0]);
});

Deno.test("a call that is cancelled while it waits for its permit to come back leaves nobody waiting", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const controller = new AbortController();
  const permit = permits.acquire("a", never) as Permit;
  permit.lend();
  const other = permits.acquire("b", never) as Permit;
  const back = permit.takeBack({ signal: controller.signal });
  controller.abort();
  await assertRejects(() => back, ExaiError, "cancelled");
  permit[Symbol.dispose]();
  other[Symbol.dispose]();
  assertEquals([permits.held, permits.waiting], [0, 0]);
});

Deno.test("what a permit is held for does not count the time it was lent", async () => {
  using timers = new FakeTimers();
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 0 });
  const permit = permits.acquire("a", never) as Permit;
  timers.nowMs += 3200;
  permit.lend();
  assertEquals(retryAfterMs(permits), 200);
  timers.nowMs += 500;
  assertEquals(permit.lentMs, 500);
  await permit.takeBack({ signal: never });
  timers.nowMs += 1800;
  assertEquals(permit.lentMs, 500);
  permit.lend();
  assertEquals(retryAfterMs(permits), 300);
  timers.nowMs += 50;
  await permit.takeBack({ signal: never });
  assertEquals(permit.lentMs, 550);
  timers.nowMs += 4700;
  permit[Symbol.dispose]();
  assertEquals(retryAfterMs(permits), 575);
});
