import { assertEquals, assertThrows } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { Supervisor } from "../lib/upstream/supervisor.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";

const BROKEN = new ExaiError("UPSTREAM_UNAVAILABLE", "it is broken");
const CALLERS = new ExaiError("UPSTREAM_UNAVAILABLE", "no such directory", { details: { fault: "caller" } });

/** The pauses after so many failures in a row, in milliseconds. */
function pausesOf(supervisor: Supervisor, count: number, reason = BROKEN): number[] {
  let nowMs = 0;
  return Array.from({ length: count }, () => {
    supervisor.failed(supervisor.begin(nowMs), reason, nowMs);
    const pauseMs = supervisor.failureState!.retryAt.getTime() - nowMs;
    nowMs += pauseMs;
    return pauseMs;
  });
}

Deno.test("a server behind a URL is tried again and again, ten seconds apart at most", () => {
  const supervisor = new Supervisor("far", { isRemote: true });
  assertEquals(pausesOf(supervisor, 8), [0, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  assertEquals(supervisor.failureState?.crashLimitReached, false);
  const nowMs = supervisor.failureState!.retryAt.getTime() - 10_000;
  const error = assertThrows(() => supervisor.begin(nowMs), ExaiError);
  assertEquals([error.retryAfterMs, /exai-daemon reload/.test(error.message)], [10_000, false]);
});

Deno.test("a process that runs here rests for five minutes after five failures, and reload ends that", () => {
  const supervisor = new Supervisor("near", { where: "in /w" });
  assertEquals(pausesOf(supervisor, 5), [0, 500, 1000, 2000, 300_000]);
  const error = assertThrows(() => supervisor.begin(4000), ExaiError, 'server "near" in /w failed 5 times');
  assertEquals([error.code, error.details?.server, error.cause], ["UPSTREAM_UNAVAILABLE", "near", BROKEN]);
  supervisor.resetBackoff();
  assertEquals([supervisor.failureState, supervisor.isClean], [undefined, true]);
  assertEquals(supervisor.begin(4000).begunAtMs, 4000);
});

Deno.test("what is its caller's fault does not count, is told as it is, and is tried again in half a second", () => {
  const supervisor = new Supervisor("near");
  assertEquals(pausesOf(supervisor, 6, CALLERS), [500, 500, 500, 500, 500, 500]);
  assertEquals([supervisor.failureState?.failures, supervisor.failureState?.isCallersFault], [0, true]);
  const nowMs = supervisor.failureState!.retryAt.getTime() - 1;
  const error = assertThrows(() => supervisor.begin(nowMs), ExaiError);
  assertEquals([error.message, error.retryAfterMs], ["no such directory", 1]);
  supervisor.begin(nowMs + 1);
});

Deno.test("starts that were under way when one failed count with it, later ones by themselves", () => {
  const supervisor = new Supervisor("near");
  const [one, two] = [supervisor.begin(0), supervisor.begin(5)];
  supervisor.failed(one, BROKEN, 10);
  supervisor.failed(two, BROKEN, 20);
  assertEquals(supervisor.failureState?.failures, 1);
  supervisor.failed({ begunAtMs: 20 }, BROKEN, 30);
  assertEquals(supervisor.failureState?.failures, 2);
  supervisor.resetBackoff();
  const callers = new Supervisor("near");
  callers.failed({ begunAtMs: 0 }, CALLERS, 10);
  callers.failed({ begunAtMs: 5 }, BROKEN, 20);
  assertEquals(callers.failureState?.failures, 1);
});

Deno.test("how a connection stands is told at each step", () => {
  using clock = new SteadyClock();
  const supervisor = new Supervisor("near");
  assertEquals([supervisor.connection, supervisor.isClean], [{ state: "idle" }, true]);
  let attempt = supervisor.begin();
  const sinceMs = clock.nowMs;
  assertEquals(supervisor.connection, { state: "connecting", sinceMs });
  clock.pass(5);
  supervisor.started(attempt);
  assertEquals([supervisor.connection, attempt], [
    { state: "ready", sinceMs: sinceMs + 5 },
    { begunAtMs: sinceMs, startedAtMs: sinceMs + 5 },
  ]);
  supervisor.failed(attempt, BROKEN);
  assertEquals(supervisor.connection, { state: "broken", lastError: "it is broken" });
  assertEquals(supervisor.isClean, false);
  attempt = supervisor.begin();
  supervisor.failed(attempt, BROKEN);
  const { retryAt, ...resting } = supervisor.connection as { retryAt: Date };
  assertEquals(resting as unknown, { state: "resting", failures: 2, lastError: "it is broken" });
  assertEquals(Math.round(retryAt.getTime() - clock.nowMs), 500);
  clock.pass(501);
  assertEquals(supervisor.connection.state, "broken");
  supervisor.stopped();
  assertEquals(supervisor.connection, { state: "idle" });
  supervisor.begin();
  supervisor.connectionLost(new ExaiError("UPSTREAM_UNAVAILABLE", "it forgot us"));
  assertEquals([supervisor.connection, supervisor.failureState?.failures], [
    { state: "broken", lastError: "it forgot us" },
    2,
  ]);
});

Deno.test("a window's own fault is forgotten once it may be tried again; failures are kept", () => {
  using clock = new SteadyClock();
  const supervisor = new Supervisor("near");
  supervisor.failed(supervisor.begin(), CALLERS);
  assertEquals(supervisor.isClean, false);
  clock.pass(501);
  assertEquals(supervisor.isClean, true);
  supervisor.failed(supervisor.begin(), BROKEN);
  clock.pass(1_000_000);
  assertEquals(supervisor.isClean, false);
});

Deno.test("connections lost for the same again and again are told once, until a minute goes by without one", () => {
  const supervisor = new Supervisor("far", { isRemote: true });
  const [forgot, deaf] = ["it forgot us", "it is deaf"].map((why) =>
    new ExaiError("UPSTREAM_UNAVAILABLE", why)
  );
  const isNew = (reason: ExaiError, atMs: number) => supervisor.shouldLogLoss(reason, atMs);
  assertEquals([isNew(forgot!, 0), isNew(forgot!, 1000), isNew(forgot!, 60_000)], [true, false, false]);
  assertEquals([isNew(deaf!, 60_001), isNew(deaf!, 120_000), isNew(deaf!, 180_000)], [true, false, true]);
});
