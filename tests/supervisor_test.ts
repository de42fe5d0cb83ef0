import { assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { MINUTE_MS, SECOND_MS } from "../lib/base/units.ts";
import { Supervisor } from "../lib/upstream/supervisor.ts";
import { bad, mountingDaemon } from "./helpers/mounts.ts";
import { sdkClient } from "./helpers/sdk_client.ts";
import { until } from "./helpers/until.ts";

const BROKEN = new ExaiError("UPSTREAM_UNAVAILABLE", "it is broken");

/** Starts that each fail after `tookMs`, one as soon as the one before allows it; gives the pauses between them. */
function failing(
  supervisor: Supervisor,
  options: { times: number; tookMs: number; fromMs?: number },
): number[] {
  let nowMs = options.fromMs ?? 0;
  return Array.from({ length: options.times }, () => {
    const attempt = supervisor.begin(nowMs);
    nowMs += options.tookMs;
    supervisor.failed(attempt, BROKEN, nowMs);
    const pauseMs = supervisor.failureState!.retryAt.getTime() - nowMs;
    nowMs += pauseMs;
    return pauseMs / SECOND_MS;
  });
}

for (const tookMs of [0, 10 * SECOND_MS, MINUTE_MS, 10 * MINUTE_MS]) {
  Deno.test(`failed starts add up to the crash limit, at ${tookMs / SECOND_MS} s a start`, () => {
    const supervisor = new Supervisor("odd");
    assertEquals(failing(supervisor, { times: 6, tookMs }), [0, 0.5, 1, 2, 300, 300]);
    assertEquals(supervisor.failureState?.crashLimitReached, true);
  });
}

Deno.test("a try that took two processes counts as two failures, unless it started well", () => {
  const supervisor = new Supervisor("odd");
  const attempt = supervisor.begin(0);
  supervisor.failed({ ...attempt, processes: 2 }, BROKEN, 0);
  assertEquals(supervisor.failureState?.failures, 2);
  const well = { ...supervisor.begin(SECOND_MS), processes: 2 };
  supervisor.started(well, SECOND_MS);
  supervisor.failed(well, BROKEN, 2 * SECOND_MS);
  assertEquals(supervisor.failureState?.failures, 3);
});

Deno.test("while a server rests its callers are told why, for how long, and what to do", () => {
  const supervisor = new Supervisor("odd");
  failing(supervisor, { times: 5, tookMs: 0 });
  const nowMs = supervisor.failureState!.retryAt.getTime() - 90 * SECOND_MS;
  const error = assertThrows(() => supervisor.begin(nowMs), ExaiError);
  assertEquals([error.code, error.retryAfterMs], ["UPSTREAM_UNAVAILABLE", 90 * SECOND_MS]);
  for (const part of ['"odd"', "5 times in a row", "90 s", "it is broken", "exai-daemon reload"]) {
    assertStringIncludes(error.message, part);
  }
});

Deno.test("a server that has run for a minute starts with a clean sheet; one that falls over at once does not", () => {
  const supervisor = new Supervisor("odd");
  failing(supervisor, { times: 3, tookMs: 0 });
  const ends = (ranMs: number, fromMs: number) => {
    const attempt = supervisor.begin(fromMs);
    supervisor.started(attempt, fromMs);
    assertEquals(supervisor.failureState, undefined);
    supervisor.failed(attempt, BROKEN, fromMs + ranMs);
    return supervisor.failureState!.failures;
  };
  assertEquals(ends(SECOND_MS, MINUTE_MS), 4);
  assertEquals(ends(MINUTE_MS, 2 * MINUTE_MS), 1);
});

for (const end of ["stopped", "lost"] as const) {
  Deno.test(`failures before a server was well for a minute do not count once it is ${end}: they are not in a row`, () => {
    const ending = (ranMs: number) => {
      const supervisor = new Supervisor("odd");
      failing(supervisor, { times: 4, tookMs: 0 });
      const attempt = supervisor.begin(MINUTE_MS);
      supervisor.started(attempt, MINUTE_MS);
      if (end === "stopped") supervisor.stopped(MINUTE_MS + ranMs);
      else supervisor.connectionLost(BROKEN, MINUTE_MS + ranMs);
      return supervisor;
    };
    const well = ending(MINUTE_MS);
    assertEquals([well.isClean, well.failureState], [true, undefined]);
    assertEquals(ending(SECOND_MS).failureState?.failures, 4);
  });
}

Deno.test("a fault of the caller is told once, a failure of the server each time", () => {
  const supervisor = new Supervisor("odd");
  const own = new ExaiError("UPSTREAM_UNAVAILABLE", "no directory", { details: { fault: "caller" } });
  const isTold = (reason: ExaiError, atMs: number) => {
    const isNews = supervisor.shouldLog(reason);
    supervisor.failed(supervisor.begin(atMs), reason, atMs);
    return isNews;
  };
  assertEquals([isTold(own, 0), isTold(own, MINUTE_MS)], [true, false]);
  assertEquals([isTold(BROKEN, 2 * MINUTE_MS), isTold(BROKEN, 3 * MINUTE_MS)], [true, true]);
});

Deno.test("starts that failed together count once: ten windows that come at once do not use up the limit", () => {
  const supervisor = new Supervisor("odd");
  const attempts = Array.from({ length: 10 }, () => supervisor.begin(0));
  for (const attempt of attempts) supervisor.failed(attempt, BROKEN, SECOND_MS);
  assertEquals(supervisor.failureState?.failures, 1);
});

Deno.test("a server that keeps failing shows in status and health with its last error, and reload lets it start", async () => {
  await using it = await mountingDaemon({ gone: bad("exits"), well: bad("well") });
  const attempt = () => assertRejects(() => sdkClient(`${it.url}mcp/gone`)) as Promise<Error>;
  // It rests longer after each failure: in the end longer than a busy machine takes to say so.
  const row = await until("it rests", async () => {
    if (!(await attempt()).message.includes("rests")) return;
    const [row] = await it.status();
    return new Date(String(row!.retry_at)) > new Date() ? row : undefined;
  });
  assertEquals([row!.server, row!.state], ["gone", "backing off"]);
  assertEquals(Number(row!.failures) >= 2, true);
  assertStringIncludes(String(row!.last_error), "exited with code 3");
  const health = await (await fetch(new URL("/health", it.http))).json();
  assertEquals(health.status, "degraded");
  assertStringIncludes(health.reasons.join(), `server gone failed ${row!.failures} times in a row`);
  await it.reload();
  // Its lists are not known: soon the daemon starts it to read them.
  assertMatch(String((await it.status())[0]!.state), /^(not started|starting)$/);
  assertEquals((await attempt()).message.includes("rests"), false);
});
