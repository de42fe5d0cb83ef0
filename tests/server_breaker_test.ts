import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { ServerBreaker, type ServerBreakerOptions } from "../lib/admission/breaker.ts";
import { ExaiError } from "../lib/base/errors.ts";
import type { Call } from "../lib/call/call.ts";
import type { CallTrace } from "../lib/call/trace.ts";
import { currentWait } from "../lib/call/wait.ts";
import { call } from "./helpers/call.ts";
import { CapturedLog } from "./helpers/captured_log.ts";

function breakerWith(options: Partial<ServerBreakerOptions> = {}) {
  let ms = 1000;
  let stepMs = 0;
  const breaker = new ServerBreaker({
    name: "files",
    failures: 2,
    openMs: 1000,
    callTimeoutMs: 5000,
    now: () => ms += stepMs,
    ...options,
  });
  return {
    breaker,
    pass: (byMs: number) => ms += byMs,
    /** From here on the clock goes on with each look at it. */
    run: (byMs: number) => stepMs = byMs,
    fail: (error = new ExaiError("UPSTREAM_UNAVAILABLE", "it ended"), one: Call = call(), ranMs = 5000) =>
      breaker.leave(breaker.enter(one) as number, one, { error, ranMs }),
  };
}

function stateAfter(error: ExaiError, { timeoutMs, ranMs = 5000 }: { timeoutMs?: number; ranMs?: number }) {
  const { breaker, fail } = breakerWith({ failures: 1 });
  fail(error, call({ timeoutMs }), ranMs);
  return breaker.status.state;
}

Deno.test("a time-out says something of a server that had the call for half its time, and all of it was given", () => {
  const late = new ExaiError("TIMEOUT", "late");
  assertEquals(stateAfter(late, { ranMs: 2500 }), "open");
  assertEquals(stateAfter(late, { ranMs: 2499 }), "closed");
  assertEquals(stateAfter(late, { timeoutMs: 5000 }), "open");
  assertEquals(stateAfter(late, { timeoutMs: 4999 }), "closed");
});

Deno.test("a server that refuses at once because it has lost the session is well", () => {
  const lost = (outcome: string) =>
    new ExaiError("UPSTREAM_UNAVAILABLE", "no such session", { details: { outcome, status: 404 } });
  assertEquals(stateAfter(lost("not_run"), {}), "closed");
  assertEquals(stateAfter(lost("unknown"), {}), "open");
});

for (const status of [400, 413, 414, 422, 431]) {
  Deno.test(`HTTP ${status} says what is wrong with a message, not with the server`, () => {
    const error = new ExaiError("UPSTREAM_UNAVAILABLE", "no", { details: { status } });
    assertEquals(stateAfter(error, {}), "closed");
  });
}

Deno.test("what a caller did wrong is not what a server said the last time", () => {
  const { breaker, fail } = breakerWith();
  fail();
  fail(new ExaiError("INVALID_PARAMS", "no such argument"));
  assertEquals(breaker.status, {
    state: "closed",
    failures: 1,
    lastError: "it ended",
    refusedSessions: 0,
    retryAfterMs: undefined,
  });
});

const OTHER = call({ caller: { ...call().caller, id: "another session" } });

Deno.test("a server that asks more than one session to be left alone is, but not for an error that is a caller's", () => {
  const { breaker, fail } = breakerWith();
  const busy = (status: number, retryAfterMs: number) =>
    new ExaiError("UPSTREAM_UNAVAILABLE", "no", { retryAfterMs, details: { status } });
  fail(busy(413, 9000));
  assertEquals(breaker.status.state, "closed");
  fail(busy(503, 9000), OTHER);
  assertEquals(breaker.status.state, "closed");
  fail(busy(503, 9000));
  assertEquals([breaker.status.state, breaker.status.retryAfterMs], ["open", 9000]);
});

Deno.test("a breaker has nothing to remember while it is closed without a failure", () => {
  const { breaker, fail, pass } = breakerWith();
  assertEquals(breaker.isClean, true);
  fail();
  assertEquals(breaker.isClean, false, "one failure");
  fail();
  assertEquals(breaker.isClean, false, "open");
  pass(1000);
  const generation = breaker.enter(call()) as number;
  assertEquals([breaker.status.state, breaker.isClean], ["half_open", false]);
  breaker.leave(generation, call());
  assertEquals(breaker.isClean, true);
  fail();
  breaker.reset();
  assertEquals([breaker.isClean, breaker.fault], [true, undefined]);
});

Deno.test("a breaker that is held before it has failures enough is not clean", () => {
  const { breaker, fail } = breakerWith({ failures: 5 });
  const error = new ExaiError("UPSTREAM_UNAVAILABLE", "busy", {
    retryAfterMs: 9000,
    details: { status: 429 },
  });
  fail(error);
  fail(new ExaiError("UPSTREAM_UNAVAILABLE", "busy", error), OTHER);
  assertEquals([breaker.status.state, breaker.isClean], ["open", false]);
});

Deno.test("a refusal names the server, where it runs, how often it failed, with what, and for how long", async () => {
  const { breaker, fail, pass } = breakerWith({ failures: 1, openMs: 1500, where: "in /home/me/project" });
  fail();
  const error = assertThrows(() => breaker.check(call()), ExaiError);
  assertEquals(error.details, { server: "files", breaker: "open" });
  assertEquals(error.retryAfterMs, 1500);
  assertEquals(
    error.message,
    'server "files" in /home/me/project failed and is left alone for 2 s more; the last time: it ended',
  );
  await assertRejects(async () => await breaker.enter(call()), ExaiError, "for 2 s more");
  pass(1500);
  assertEquals(
    breaker.fault,
    'server "files" in /home/me/project failed and is left alone until a call that is made now finds it well; ' +
      "the last time: it ended",
  );
  breaker.check(call());
  const { breaker: twice, fail: again } = breakerWith();
  again();
  again();
  assertStringIncludes(twice.fault!, 'server "files" failed 2 times in a row and is left alone for 1 s more');
});

Deno.test("a session whose calls try already is refused its next call when nobody finds anything out in time", async () => {
  const { breaker, fail, pass, run } = breakerWith({ failures: 1 });
  fail();
  for (const waitMs of [1000, 2000]) {
    pass(waitMs);
    assertEquals(typeof breaker.enter(call()), "number");
  }
  pass(2000);
  run(3000);
  const trace: CallTrace = {};
  const refused = breaker.enter(call({ trace })) as Promise<number>;
  assertEquals(
    currentWait(trace)?.what(),
    'the call that tries whether server "files" is well again',
  );
  const error = await assertRejects(() => refused, ExaiError);
  assertEquals([error.code, error.retryAfterMs], ["UPSTREAM_UNAVAILABLE", 1000]);
});

Deno.test("a call that was not made leaves the try to another of its session", () => {
  const { breaker, fail, pass } = breakerWith({ failures: 1 });
  fail();
  pass(1000);
  breaker.giveUp(breaker.enter(call()) as number, call());
  assertEquals(breaker.status, {
    state: "half_open",
    failures: 1,
    lastError: "it ended",
    refusedSessions: 0,
    retryAfterMs: undefined,
  });
  assertEquals(typeof breaker.enter(call()), "number");
});

Deno.test("that a server is left alone, and that it is well again, is logged and told", () => {
  using log = new CapturedLog();
  let changes = 0;
  const { breaker, fail, pass } = breakerWith({ failures: 1, onChange: () => changes++ });
  fail();
  assertEquals([log.take(), changes], [[`warning: ${breaker.fault}`], 1]);
  pass(1000);
  breaker.leave(breaker.enter(call()) as number, call());
  assertEquals([log.take(), changes], [['info: server "files" is well again'], 2]);
});
