import { assert, assertEquals, assertRejects } from "@std/assert";
import { Deadlines } from "../lib/admission/deadlines.ts";
import { withTimeout } from "../lib/admission/policies.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { call } from "./helpers/call.ts";

/** How late a deadline may be on a machine that is busy: far less than what a wrong one is late. */
const LATE_MS = 1500;

/** How long after now `work` ends, in milliseconds. */
async function took(work: Promise<unknown>): Promise<number> {
  const begunMs = performance.now();
  await work;
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
  const behind = due(deadlines, 200);
  first[Symbol.dispose]();
  for (const [wantedMs, tookMs] of [[200, await took(behind)], [300, await took(due(deadlines, 300))]]) {
    // A timer may fire a millisecond early.
    assert(tookMs! >= wantedMs! - 20 && tookMs! < wantedMs! + LATE_MS, `${wantedMs} ms took ${tookMs} ms`);
  }
});

Deno.test("a deadline made while another of its length runs is counted from when it was made", async () => {
  const deadlines = new Deadlines();
  const first = took(due(deadlines, 300));
  await new Promise((resolve) => setTimeout(resolve, 150));
  const second = took(due(deadlines, 300));
  for (const tookMs of [await first, await second]) {
    assert(tookMs >= 280 && tookMs < 300 + LATE_MS, `${tookMs} ms`);
  }
});

Deno.test("a short deadline does not wait for a long one, nor a long one end with it", async () => {
  const deadlines = new Deadlines();
  let isOver = false;
  const long = deadlines.after(60_000, () => isOver = true);
  assert(await took(due(deadlines, 50)) < 50 + LATE_MS);
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

Deno.test("no deadline, no timer: nothing is left behind", () => {
  const deadlines = new Deadlines();
  for (let i = 0; i < 3; i++) deadlines.after(60_000, () => {})[Symbol.dispose]();
});

Deno.test("a call is stopped when its limit is up, or its caller's if that is shorter, never a longer one", async () => {
  const limited = withTimeout(300)((call) =>
    new Promise((_, reject) => {
      call.signal.addEventListener("abort", () => reject(call.signal.reason));
    })
  );
  for (const [timeoutMs, wantedMs] of [[undefined, 300], [60_000, 300], [100, 100]]) {
    const rejected = assertRejects(
      () => limited(call({ timeoutMs })),
      ExaiError,
      `the ${wantedMs! / 1000} s`,
    );
    const tookMs = await took(rejected);
    assert(tookMs >= wantedMs! - 20 && tookMs < wantedMs! + LATE_MS, `${wantedMs} ms took ${tookMs} ms`);
  }
});
