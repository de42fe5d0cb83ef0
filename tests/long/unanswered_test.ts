import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { ServerBreaker } from "../../lib/admission/breaker.ts";
import { Permits } from "../../lib/admission/permits.ts";
import { ProcessAdmission } from "../../lib/admission/process_admission.ts";
import { type ErrorCode, ExaiError } from "../../lib/base/errors.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import type { Worker } from "../../lib/call/admission.ts";
import { PingedLiveness } from "../../lib/upstream/instance/liveness.ts";
import { call } from "../helpers/call.ts";
import { asking, mountingDaemon } from "../helpers/mounts.ts";
import { firstText, RawClient } from "../helpers/raw_client.ts";
import { until } from "../helpers/until.ts";

const codeOf = ({ error }: JsonObject) => (error as JsonObject | undefined)?.code;

Deno.test("slow calls of one window leave a shared server in service for all others, and are refused to it alone", async () => {
  const one = asking([], { callTimeoutMs: 1000 });
  await using it = await mountingDaemon({ one }, { breakerFailures: 3, breakerOpenMs: 4000 });
  using slow = await RawClient.hello(it.url);
  using other = await RawClient.hello(it.url);
  await until(
    "a start",
    async () => codeOf(await slow.call("echo", { text: "x" })) === undefined || undefined,
  );
  for (let n = 0; n < 3; n++) assertEquals(codeOf(await slow.call("slow", { ms: 60_000 })), "TIMEOUT");
  // Whether the server is well is found out after the last of them is answered.
  const breaker = async () => (await it.status())[0]!.breaker as JsonObject;
  await until("a verdict", async () => (await breaker()).refused_sessions === 1 || undefined);
  const refused = (await slow.call("echo", { text: "x" })).error as JsonObject;
  assertEquals(refused.code, "UPSTREAM_UNAVAILABLE");
  assertStringIncludes(String(refused.message), "the last 3 calls of this session to server");
  for (let n = 0; n < 9; n++) assertEquals(firstText(await other.call("echo", { text: "well" })), "well");
  assertEquals(await breaker(), { state: "closed", failures: 0, refused_sessions: 1 });
  assertEquals((await (await fetch(new URL("/health", it.http))).json()).status, "ok");
  await until("the pause to end", async () => {
    return codeOf(await slow.call("echo", { text: "x" })) === undefined || undefined;
  });
  assertEquals((await breaker()).refused_sessions, undefined);
});

Deno.test("a shared process that answers nobody is replaced, whoever's calls it let run out of time", async () => {
  const one = asking([], { callTimeoutMs: 1000 });
  await using it = await mountingDaemon({ one });
  using first = await RawClient.hello(it.url);
  using second = await RawClient.hello(it.url);
  await until(
    "a start",
    async () => codeOf(await first.call("echo", { text: "x" })) === undefined || undefined,
  );
  const { pid } = (await it.status())[0]!;
  Deno.kill(Number(pid), "SIGSTOP");
  assertEquals(codeOf(await first.call("echo", { text: "x" })), "TIMEOUT");
  const answer = await until("an answer", async () => {
    const reply = await second.call("echo", { text: "well" });
    return reply.error === undefined ? firstText(reply) : undefined;
  }, 30_000);
  assertEquals(answer, "well");
  const [row] = await it.status();
  assert(row!.pid !== undefined && row!.pid !== pid);
  assertEquals((row!.breaker as JsonObject).failures, 0);
});

/** An admission for a worker whose calls all end with `error`, after `ranMs`. */
function failing(
  options: { error: ErrorCode; ranMs: number; isShared?: boolean; isAnswering?: boolean; says?: boolean },
) {
  let nowMs = 0;
  const now = () => nowMs;
  const { isShared = true, isAnswering = false } = options;
  const server = { name: "files", isShared, callTimeoutMs: 60_000, now };
  const breaker = new ServerBreaker({ ...server, failures: 2, openMs: 1e6 });
  const permits = new Permits({ perKey: 9, total: 9, queueMax: 9 });
  const admission = new ProcessAdmission({ ...server, permits, queueMax: 9, breaker });
  const patience: number[] = [];
  const liveness = {
    heard: 0,
    check: (patienceMs: number) => (patience.push(patienceMs), Promise.resolve(isAnswering)),
  };
  const worker: Worker = {
    alive: true,
    liveness,
    call: () => {
      nowMs += options.ranMs;
      if (options.says) liveness.heard++;
      return Promise.reject(new ExaiError(options.error, "no"));
    },
  };
  return {
    breaker,
    patience,
    async run(session: string, timeoutMs?: number): Promise<void> {
      await admission.run(call({ caller: { ...call().caller, id: session }, timeoutMs }), worker).catch(
        () => {},
      );
      // What the worker has to say for itself comes later.
      await Promise.resolve();
    },
  };
}

Deno.test("a server that lets a call run out of time is asked whether it answers, unless it has spoken meanwhile", async () => {
  const cases: [string, Parameters<typeof failing>[0], number | undefined, number[]][] = [
    ["the server's time", { error: "TIMEOUT", ranMs: 60_000 }, undefined, [5000]],
    ["it has spoken", { error: "TIMEOUT", ranMs: 60_000, says: true }, undefined, []],
    ["a process of one session", { error: "TIMEOUT", ranMs: 60_000, isShared: false }, undefined, [5000]],
    ["mostly spent waiting", { error: "TIMEOUT", ranMs: 20_000 }, undefined, []],
    ["a short limit of the caller", { error: "TIMEOUT", ranMs: 1000 }, 1000, []],
    ["a long limit of the caller", { error: "TIMEOUT", ranMs: 40_000 }, 40_000, [30_000]],
    ["given up after long", { error: "CANCELLED", ranMs: 40_000 }, undefined, [30_000]],
    ["given up at once", { error: "CANCELLED", ranMs: 1000 }, undefined, []],
    ["given up by its one session", { error: "CANCELLED", ranMs: 40_000, isShared: false }, undefined, []],
    ["another error", { error: "UPSTREAM_UNAVAILABLE", ranMs: 60_000 }, undefined, []],
  ];
  for (const [what, options, timeoutMs, asked] of cases) {
    const { run, patience } = failing(options);
    await run("a", timeoutMs);
    assertEquals(patience, asked, what);
  }
});

Deno.test("time-outs open the breaker where nobody is answered, and where no other session has part in it", async () => {
  const late = { error: "TIMEOUT", ranMs: 60_000 } as const;
  const cases: [string, Parameters<typeof failing>[0], string, number][] = [
    ["it answers nobody", late, "open", 0],
    ["it answers", { ...late, isAnswering: true }, "closed", 2],
    ["it has spoken", { ...late, says: true }, "closed", 2],
    ["it answers, and is one session's", { ...late, isAnswering: true, isShared: false }, "open", 0],
  ];
  for (const [what, options, state, refused] of cases) {
    const { run, breaker } = failing(options);
    for (const session of ["a", "b", "a", "b"]) await run(session);
    assertEquals([breaker.status.state, breaker.status.refusedSessions], [state, refused], what);
    breaker.forget("a");
    breaker.forget("b");
    assertEquals(breaker.isClean, state === "closed", what);
  }
});

Deno.test("a process is given up once it was silent so many times in a row, and not when it spoke in between", async () => {
  const given: string[] = [];
  let isWell = false;
  const liveness = new PingedLiveness({
    ping: () => isWell ? Promise.resolve() : Promise.reject(new Error("late")),
    maxSilences: 2,
    onSilent: (why) => given.push(why),
  });
  const check = () => liveness.check(7);
  assertEquals([await check(), given.length], [false, 0]);
  liveness.heard++;
  assertEquals([await check(), given.length], [false, 0]);
  isWell = true;
  assertEquals([await check(), given.length], [true, 0]);
  liveness.heard++;
  isWell = false;
  assertEquals([await check(), given.length], [false, 0]);
  assertEquals([await check(), given.length], [false, 1]);
  assertStringIncludes(given[0]!, "did not answer ping within 7 ms");
});

Deno.test("a server behind a URL that refuses a ping answers; one that cannot be reached or is broken does not", async () => {
  for (const [status, answers] of [[405, true], [404, true], [502, false], [undefined, false]] as const) {
    const error = new ExaiError("UPSTREAM_UNAVAILABLE", "no", { details: { status } });
    const liveness = new PingedLiveness({
      ping: () => Promise.reject(error),
      maxSilences: 9,
      onSilent: () => {},
    });
    assertEquals(await liveness.check(1), answers, String(status));
  }
});

Deno.test("a session whose own calls are refused is told for how long, and of which server", async () => {
  const { run, breaker } = failing({ error: "TIMEOUT", ranMs: 60_000, isAnswering: true });
  for (let i = 0; i < 2; i++) await run("a");
  const of = (id: string) => call({ caller: { ...call().caller, id } });
  const { message } = assertThrows(() => breaker.check(of("a")), ExaiError);
  assertMatch(message, /last 2 calls of this session to server "files" failed: .* for \d+ s more.*: no$/);
  breaker.check(of("b"));
});
