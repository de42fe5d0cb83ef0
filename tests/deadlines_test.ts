import { assert, assertEquals, assertRejects } from "@std/assert";
import { Deadlines } from "../lib/admission/deadlines.ts";
import { withTimeout } from "../lib/admission/policies.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { call } from "./helpers/call.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

/** How late a deadline may be on a machine that is busy: far less than what a wrong one is late. */
const LATE_MS = 1500;

/** How long `work` takes, in milliseconds, counted from before it begins: it is never too little. */
async function took(work: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now();
  await work();
  return performance.now() - begunMs;
}

function due(deadlines: Deadlines, durationMs: number): Promise<void> {
  return new Promise((resolve) => void deadlines.after(durationMs, resolve));
}

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

Deno.test("a deadline ends when it is due, alone and behind others of its length", async () => {
  const deadlines = new Deadlines();
  const first = deadlines.after(200, () => {});
  const behind = took(() => due(deadlines, 200));
  first[Symbol.dispose]();
  for (const [wantedMs, tookMs] of [[200, await behind], [300, await took(() => due(deadlines, 300))]]) {
    // A timer may fire a millisecond early.
    assert(tookMs! >= wantedMs! - 20 && tookMs! < wantedMs! + LATE_MS, `${wantedMs} ms took ${tookMs} ms`);
  }
});

Deno.test("a deadline made while another of its length runs is counted from when it was made", async () => {
  const deadlines = new Deadlines();
  const first = took(() => due(deadlines, 300));
  await new Promise((resolve) => setTimeout(resolve, 150));
  const second = took(() => due(deadlines, 300));
  for (const tookMs of [await first, await second]) {
    assert(tookMs >= 280 && tookMs < 300 + LATE_MS, `${tookMs} ms`);
  }
});

Deno.test("a short deadline does not wait for a long one, nor a long one end with it", async () => {
  const deadlines = new Deadlines();
  let isOver = false;
  const long = deadlines.after(60_000, () => isOver = true);
  assert(await took(() => due(deadlines, 50)) < 50 + LATE_MS);
  assertEquals(isOver, false);
  long[Symbol.dispose]();
});

Deno.test("a deadline further away than a timer can be set for does not end at once", async () => {
  const deadlines = new Deadlines();
  let isOver = false;
  const far = deadlines.after(2 ** 31 + 1000, () => isOver = true);
  await due(deadlines, 30);
  assertEquals(isOver, false);
  far[Symbol.dispose]();
});

Deno.test("deadlines of one length share one timer, and no deadline leaves one behind", () => {
  using timers = new FakeTimers();
  const deadlines = new Deadlines();
  const [first, ...others] = Array.from({ length: 100 }, () => deadlines.after(60_000, () => {}));
  const long = deadlines.after(90_000, () => {});
  assertEquals([timers.set, timers.size, deadlines.timers], [2, 2, 2]);
  first![Symbol.dispose]();
  first![Symbol.dispose]();
  assertEquals([timers.size, deadlines.timers], [2, 2], "the others still run");
  for (const one of [...others, long]) one[Symbol.dispose]();
  assertEquals([timers.size, deadlines.timers], [0, 0]);
  deadlines.after(60_000, () => {});
  timers.pass(60_000);
  assertEquals([timers.size, deadlines.timers], [0, 0]);
});

Deno.test("calls that come one after another set one timer, which ends with the deadlines or once it has fired", () => {
  using timers = new FakeTimers();
  const deadlines = new Deadlines({ keepsTimers: true });
  let ended = 0;
  for (let call = 0; call < 100; call++) {
    deadlines.after(60_000, () => ended++)[Symbol.dispose]();
    timers.pass(100);
  }
  assertEquals([timers.set, timers.size], [1, 1]);
  deadlines.after(60_000, () => ended++);
  timers.pass(50_000);
  assertEquals(
    [ended, timers.size],
    [0, 1],
    "the timer of the first call has fired, and the last one has time left",
  );
  timers.pass(10_000);
  assertEquals([ended, timers.size, deadlines.timers], [1, 0, 0]);
  for (let ms = 1; ms <= 1000; ms++) deadlines.after(60_000 + ms, () => {})[Symbol.dispose]();
  assertEquals(timers.size, 16, "a caller that asks for another time each time");
  deadlines[Symbol.dispose]();
  assertEquals([timers.size, deadlines.timers], [0, 0]);
});

Deno.test("deadlines that are set as one expires share the timer of those behind it", () => {
  using timers = new FakeTimers();
  const deadlines = new Deadlines();
  const ended: string[] = [];
  deadlines.after(100, () => void deadlines.after(100, () => ended.push("set meanwhile")));
  timers.pass(50);
  deadlines.after(100, () => ended.push("behind"));
  timers.pass(50);
  assertEquals([timers.size, deadlines.timers], [1, 1]);
  timers.pass(50);
  timers.pass(50);
  assertEquals([ended, timers.size], [["behind", "set meanwhile"], 0]);
});

Deno.test("a timer that fires a little early ends its deadline, one that fires earlier waits for the rest", () => {
  using timers = new FakeTimers();
  const deadlines = new Deadlines();
  let ended = 0;
  for (const earlyMs of [1, 0.5]) {
    deadlines.after(100, () => ended++);
    timers.nowMs += 100 - earlyMs;
    timers.fire();
    assertEquals(timers.size, 0);
  }
  assertEquals(ended, 2);
  deadlines.after(100, () => ended++);
  timers.nowMs += 98;
  timers.fire();
  assertEquals([ended, timers.lastMs], [2, 2]);
  timers.pass(2);
  assertEquals(ended, 3);
});

Deno.test("one deadline behind another gets the timer for what is left, at once when nothing is", () => {
  using timers = new FakeTimers();
  const deadlines = new Deadlines();
  const ended: string[] = [];
  deadlines.after(100, () => {
    ended.push("first");
    timers.nowMs += 70;
  });
  timers.nowMs += 50;
  deadlines.after(100, () => ended.push("second"));
  timers.pass(50);
  assertEquals([ended, timers.lastMs], [["first"], 0]);
  timers.pass(0);
  assertEquals(ended, ["first", "second"]);
});

Deno.test("a timer is never set for longer than one can be", () => {
  using timers = new FakeTimers();
  const deadlines = new Deadlines();
  deadlines.after(2 ** 40, () => {});
  assertEquals(timers.lastMs, 2 ** 31 - 1);
});

Deno.test("a call is stopped when its limit is up, or its caller's if that is shorter, never a longer one", async () => {
  const limited = withTimeout(300)((call) =>
    new Promise((_, reject) => {
      call.signal.addEventListener("abort", () => reject(call.signal.reason));
    })
  );
  for (const [timeoutMs, wantedMs] of [[undefined, 300], [60_000, 300], [100, 100]]) {
    const tookMs = await took(() =>
      assertRejects(() => limited(call({ timeoutMs })), ExaiError, `the ${wantedMs! / 1000} s`)
    );
    assert(tookMs >= wantedMs! - 20 && tookMs < wantedMs! + LATE_MS, `${wantedMs} ms took ${tookMs} ms`);
  }
});
