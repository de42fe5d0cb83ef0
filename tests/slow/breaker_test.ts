import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { delay } from "@std/async/delay";
import { ServerBreaker, type ServerBreakerOptions } from "../../lib/admission/breaker.ts";
import { CircuitBreaker } from "../../lib/base/circuit_breaker.ts";
import { type ErrorCode, ExaiError } from "../../lib/base/errors.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { type Permit, Permits } from "../../lib/admission/permits.ts";
import { admitted } from "../../lib/admission/policies.ts";
import { ProcessAdmission } from "../../lib/admission/process_admission.ts";
import type { Target } from "../../lib/call/call.ts";
import type { CallTrace } from "../../lib/call/trace.ts";
import { currentWait } from "../../lib/call/wait.ts";
import type { Result } from "../../lib/wire/rpc.ts";
import { call } from "../helpers/call.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { UrlServer } from "../helpers/url_server.ts";
import { clock } from "../helpers/own_clock.ts";

function guarded(
  target: Target,
  { tookMs = 0, ...options }: Partial<ServerBreakerOptions> & { tookMs?: number } = {},
) {
  const { now, pass } = clock();
  const breaker = new ServerBreaker({
    name: "files",
    failures: 2,
    openMs: 1000,
    callTimeoutMs: 5000,
    now,
    ...options,
  });
  const timed: Target = (call) => {
    pass(tookMs);
    return target(call);
  };
  return { breaker, pass, run: behind(breaker, timed, now) };
}

/** `target` behind `breaker`, and nothing else that could refuse a call. */
function behind(breaker: ServerBreaker, target: Target, now?: () => number): Target {
  const permits = new Permits({ perKey: 100, total: 100, queueMax: 100 });
  return admitted(new ProcessAdmission({ name: breaker.name, permits, queueMax: 100, breaker, now }))(target);
}

Deno.test("a server is left alone after time-outs and crashes, not after what callers do or tools say", async () => {
  const unavailable = (options = {}) => new ExaiError("UPSTREAM_UNAVAILABLE", "it ended", options);
  const cases: [string, ExaiError, boolean, number?][] = [
    ["a time-out", new ExaiError("TIMEOUT", "late"), true],
    ["a time-out after a long queue", new ExaiError("TIMEOUT", "late"), false],
    ["a crash", unavailable(), true],
    ["HTTP 413: the message is too large", unavailable({ details: { status: 413 } }), false],
    ["HTTP 401", unavailable({ details: { status: 401 } }), true],
    ["HTTP 503", unavailable({ retryAfterMs: 5, details: { status: 503 } }), true],
    ["the caller's own time limit", new ExaiError("TIMEOUT", "late"), false, 10],
    ["a server that rests and was not asked", unavailable({ retryAfterMs: 500 }), false],
    ...(["CANCELLED", "INVALID_PARAMS", "TOOL_NOT_FOUND", "OVER_CAPACITY", "TOO_LARGE"] as ErrorCode[]).map((
      code,
    ): [string, ExaiError, boolean] => [code, new ExaiError(code, "no"), false]),
  ];
  for (const [what, error, opens, timeoutMs] of cases) {
    const fail: Target = () => Promise.reject(new ExaiError(error.code, error.message, error));
    const { breaker, run } = guarded(fail, {
      tookMs: what === "a time-out after a long queue" ? 1000 : 5000,
      openMs: 60_000,
    });
    for (let i = 0; i < 2; i++) await run(call({ timeoutMs })).catch(() => {});
    assertEquals(breaker.status.state, opens ? "open" : "closed", what);
  }
  const { breaker, run } = guarded(() => Promise.resolve({ result: { isError: true, content: [] } }));
  for (let i = 0; i < 9; i++) await run(call());
  assertEquals(breaker.status.state, "closed");
});

Deno.test("while a server is left alone calls are refused at once, with its name and when to ask again", async () => {
  let made = 0;
  let isWell = false;
  const { breaker, run, pass } = guarded(() => {
    made++;
    if (isWell) return Promise.resolve({ result: {} });
    return Promise.reject(new ExaiError("UPSTREAM_UNAVAILABLE", "it ended: exit code 3"));
  });
  for (let i = 0; i < 2; i++) await run(call()).catch(() => {});
  const error = await assertRejects(async () => await run(call()), ExaiError);
  assertEquals([error.code, error.retryAfterMs, error.details?.server, made], [
    "UPSTREAM_UNAVAILABLE",
    1000,
    "files",
    2,
  ]);
  assertStringIncludes(error.message, "exit code 3");
  assertStringIncludes(breaker.fault!, 'server "files" failed 2 times in a row');
  pass(1000);
  isWell = true;
  await run(call());
  assertEquals([made, breaker.status.state, breaker.fault], [3, "closed", undefined]);
});

/** A circuit that has opened and may be tried again, by a clock that a test sets. */
function halfOpen() {
  const { now, pass } = clock();
  const circuit = new CircuitBreaker({ failures: 1, openMs: 100, now });
  circuit.leave(circuit.enter(), "failure");
  pass(100);
  const first = circuit.enter();
  assert(first !== 0);
  return { circuit, pass, first };
}

Deno.test("a try that takes long keeps the next from trying for two seconds, and no more than eight try at once", () => {
  const { circuit, pass } = halfOpen();
  assertEquals([circuit.enter(), circuit.refusesForMs], [0, 2000]);
  pass(1999);
  assertEquals(circuit.enter(), 0);
  for (let n = 2; n <= 8; n++) {
    pass(2000);
    assert(circuit.enter(`session ${n}`) !== 0, `try ${n}`);
    assertEquals(circuit.enter(`session ${n}`), 0);
  }
  pass(60_000);
  assertEquals(circuit.enter("another"), 0, "a ninth");
  assert(circuit.refusesForMs! > 0);
});

Deno.test("slow tries of one window leave the next try to another", () => {
  const { circuit, pass } = halfOpen();
  for (let n = 0; n < 2; n++) {
    pass(2000);
    assert(circuit.enter("slow") !== 0);
  }
  pass(2000);
  assertEquals(circuit.enter("slow"), 0);
  assert(circuit.enter("another") !== 0);
});

Deno.test("the first try that finds something out decides, whatever the slower ones find", () => {
  const { circuit, pass, first } = halfOpen();
  pass(2000);
  circuit.leave(circuit.enter(), "success");
  assertEquals(circuit.state, "closed");
  circuit.leave(first, "failure");
  assertEquals([circuit.state, circuit.failures], ["closed", 0]);
});

Deno.test("calls that come while one tries wait for what it finds out, and go on when it is well", async () => {
  const circuit = new CircuitBreaker({ failures: 1, openMs: 0 });
  circuit.leave(circuit.enter(), "failure");
  const first = circuit.enter();
  const { signal } = new AbortController();
  const others = Promise.all([1, 2, 3].map(() => circuit.enterOrWait(signal)));
  circuit.leave(first, "success");
  const eras = await others;
  assertEquals(eras, Array.from({ length: 3 }, () => circuit.enter()));
});

Deno.test("calls that come while one tries are refused once it has failed, and at once when they are cancelled", async () => {
  const circuit = new CircuitBreaker({ failures: 1, openMs: 60_000, now: () => time.now() });
  const time = clock();
  circuit.leave(circuit.enter(), "failure");
  time.pass(60_000);
  const first = circuit.enter();
  const controller = new AbortController();
  const gone = circuit.enterOrWait(controller.signal);
  const other = circuit.enterOrWait(new AbortController().signal);
  controller.abort();
  await assertRejects(() => gone, ExaiError, "cancelled");
  circuit.leave(first, "failure");
  assertEquals(await other, 0);
});

Deno.test("a try that is given up, even before it began, hands the try to the next call at once", async () => {
  const circuit = new CircuitBreaker({ failures: 1, openMs: 0 });
  circuit.leave(circuit.enter(), "failure");
  const first = circuit.enter();
  const other = circuit.enterOrWait(new AbortController().signal);
  const begunMs = performance.now();
  circuit.leave(first, "ignored");
  assert(await other !== 0);
  assert(performance.now() - begunMs < 1000);

  const breaker = new ServerBreaker({ name: "files", failures: 1, openMs: 0, callTimeoutMs: 1 });
  breaker.leave(breaker.enter(call()) as number, call(), {
    error: new ExaiError("UPSTREAM_UNAVAILABLE", "it ended"),
    ranMs: 1,
  });
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const admission = new ProcessAdmission({ name: "files", permits, queueMax: 9, breaker });
  const busy = permits.acquire("other", new AbortController().signal) as Permit;
  const run = admitted(admission)(() => Promise.resolve({ result: {} }));
  const controller = new AbortController();
  const waits = run(call({ signal: controller.signal }));
  controller.abort();
  await assertRejects(() => waits, ExaiError, "cancelled");
  busy[Symbol.dispose]();
  const againMs = performance.now();
  assertEquals(await run(call()), { result: {} });
  assert(performance.now() - againMs < 1000);
});

Deno.test("while a slow call tries a server that is well, another window is answered within seconds", async () => {
  const breaker = new ServerBreaker({ name: "files", failures: 1, openMs: 1, callTimeoutMs: 1 });
  const slow = Promise.withResolvers<Result>();
  const answers: (() => Promise<Result>)[] = [
    () => Promise.reject(new ExaiError("UPSTREAM_UNAVAILABLE", "it ended")),
    () => slow.promise,
  ];
  const run = behind(breaker, () => answers.shift()?.() ?? Promise.resolve({ result: {} }));
  await assertRejects(() => run(call()));
  await delay(5);
  const first = run(call());
  assertEquals(breaker.status.state, "half_open");
  const trace: CallTrace = {};
  const begunMs = performance.now();
  const second = run(call({ trace }));
  assertEquals(
    currentWait(trace)?.what(),
    'the call that tries whether server "files" is well again',
  );
  assertEquals(await second, { result: {} });
  const tookMs = performance.now() - begunMs;
  assert(tookMs > 1500 && tookMs < 10_000, `${tookMs} ms`);
  assertEquals([breaker.status.state, currentWait(trace)], ["closed", undefined]);
  slow.resolve({ result: {} });
  await first;
});

Deno.test("a call that waits for a permit while its server fails is refused when its turn comes", async () => {
  const breaker = new ServerBreaker({ name: "files", failures: 1, openMs: 60_000, callTimeoutMs: 1 });
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const admission = new ProcessAdmission({ name: "files", permits, queueMax: 9, breaker });
  let made = 0;
  const fail = Promise.withResolvers<Result>();
  const run = admitted(admission)(() => (made++, fail.promise));
  const [first, second] = [run(call()), run(call())];
  fail.reject(new ExaiError("UPSTREAM_UNAVAILABLE", "it ended"));
  await assertRejects(() => first, ExaiError, "it ended");
  await assertRejects(() => second, ExaiError, "left alone");
  assertEquals([made, permits.held], [1, 0]);
});

/** A call of the session `id`. */
const callOf = (id: string) => call({ caller: { ...call().caller, id } });

const busy = (status: number) => () =>
  Promise.reject(
    new ExaiError("UPSTREAM_UNAVAILABLE", "it is busy", { retryAfterMs: 3_600_000, details: { status } }),
  );

Deno.test("a server that asks two sessions to leave it alone is, for a minute at most, and then tried", async () => {
  for (const status of [429, 503]) {
    const { breaker, run, pass } = guarded(busy(status), { failures: 5, isShared: true });
    await run(callOf("ada")).catch(() => {});
    assertEquals(breaker.status.state, "closed", "one answer may be about one call");
    await run(callOf("bob")).catch(() => {});
    assertEquals(breaker.status.retryAfterMs, 60_000, `${status}`);
    pass(60_000);
    assertEquals(breaker.status.retryAfterMs, undefined);
  }
});

Deno.test("a server that one session alone has to itself is left alone as it asks once it has failed often", async () => {
  const { breaker, run } = guarded(busy(429), { failures: 2 });
  await run(call()).catch(() => {});
  assertEquals(breaker.status.state, "closed");
  await run(call()).catch(() => {});
  assertEquals(breaker.status.retryAfterMs, 60_000);
});

Deno.test("calls of one session that are too many for a shared server are refused to that session alone", async () => {
  let isBusy = true;
  const answer = () => isBusy ? busy(429)() : Promise.resolve({ result: {} });
  const { breaker, run, pass } = guarded(answer, { failures: 3, isShared: true });
  for (let n = 0; n < 9; n++) await run(callOf("ada")).catch(() => {});
  assertEquals([breaker.status.state, breaker.status.refusedSessions], ["closed", 1]);
  const error = await assertRejects(async () => await run(callOf("ada")), ExaiError);
  assertStringIncludes(error.message, "the last 3 calls of this session to server");
  isBusy = false;
  await run(callOf("bob"));
  // What has been answered meanwhile shows that the server is there for the others.
  isBusy = true;
  await run(callOf("bob")).catch(() => {});
  assertEquals(breaker.status.state, "closed");
  isBusy = false;
  pass(1000);
  await run(callOf("ada"));
  assertEquals(breaker.status.refusedSessions, 0);
});

Deno.test("a tool behind a URL that is refused for an hour takes no other call with it", async () => {
  await using server = new UrlServer();
  await using it = await mountingDaemon({ web: { url: server.url, type: "http", share: "machine" } });
  using one = await RawClient.hello(it.url);
  using other = await RawClient.hello(it.url);
  const health = async () => await (await fetch(new URL("/health", it.http))).json();
  for (const client of [one, other]) assertEquals((await client.call("ping")).error, undefined);
  const tooMany = { status: 429, headers: { "retry-after": "3600" } };
  server.script.push(tooMany);
  const limited = (await one.call("ping")).error as JsonObject;
  assertEquals([limited.code, limited.retry_after_ms], ["UPSTREAM_UNAVAILABLE", 3_600_000]);
  for (const client of [one, other]) assertEquals((await client.call("ping")).error, undefined);
  assertEquals((await health()).status, "ok");
  server.script.push(tooMany, tooMany);
  for (const client of [one, other]) assert((await client.call("ping")).error !== undefined);
  const refused = (await one.call("ping")).error as JsonObject;
  assertEquals([refused.code, server.calls], ["UPSTREAM_UNAVAILABLE", 7]);
  assert(Number(refused.retry_after_ms) > 50_000 && Number(refused.retry_after_ms) <= 60_000);
  assertStringIncludes(String(refused.message), 'server "web"');
  assertEquals((await health()).status, "degraded");
  assertEquals(((await it.status())[0]!.breaker as JsonObject).state, "open");
  await it.reload();
  assertEquals((await one.call("ping")).error, undefined);
  assertEquals((await health()).status, "ok");
});

Deno.test("a server behind a URL that answers 503 is asked five times, and then not at all", async () => {
  await using server = new UrlServer();
  await using it = await mountingDaemon({ web: { url: server.url, type: "http" } });
  using client = await RawClient.hello(it.url);
  await client.call("ping");
  for (let i = 0; i < 9; i++) server.script.push({ status: 503 });
  for (let i = 0; i < 8; i++) await client.call("ping");
  assertEquals(server.calls, 6);
});

Deno.test("crashes under the calls of one session alone are held against that session where others share the server", async () => {
  const options = { name: "files", openMs: 60_000, callTimeoutMs: 1000 };
  const crash = () => {
    const cause = new ExaiError("UPSTREAM_UNAVAILABLE", "it was ended by SIGKILL");
    return Promise.reject(new ExaiError(cause.code, "it ended", { cause, details: { alone: true } }));
  };
  const of = (id: string) => call({ caller: { ...call().caller, id } });
  const shared = new ServerBreaker({ ...options, failures: 2, isShared: true });
  for (let n = 0; n < 2; n++) await assertRejects(() => behind(shared, crash)(of("ada")));
  assertEquals([shared.status.state, shared.status.refusedSessions], ["closed", 1]);
  const error = assertThrows(() => shared.check(of("ada")), ExaiError);
  assertStringIncludes(error.message, "of this session");
  shared.check(of("bob"));
  const own = new ServerBreaker({ ...options, failures: 2 });
  for (let n = 0; n < 2; n++) await assertRejects(() => behind(own, crash)(of("ada")));
  assertEquals(own.status.state, "open");
});

Deno.test("one crash with ten calls under way is one failure, not ten", async () => {
  const breaker = new ServerBreaker({ name: "files", failures: 2, openMs: 100, callTimeoutMs: 1000 });
  const crash = () => {
    const cause = new ExaiError("UPSTREAM_UNAVAILABLE", "it was ended by SIGKILL");
    return () => Promise.reject(new ExaiError(cause.code, `${cause.message}; it may have run`, { cause }));
  };
  const [first, second] = [crash(), crash()];
  const run = (target: Target) => behind(breaker, target)(call());
  await Promise.all(Array.from({ length: 10 }, () => assertRejects(() => run(first))));
  assertEquals([breaker.status.state, breaker.status.failures], ["closed", 1]);
  await assertRejects(() => run(second));
  assertEquals(breaker.status.state, "open");
});
