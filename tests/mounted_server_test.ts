import { type Admission, UNLIMITED } from "../lib/call/admission.ts";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { currentWait } from "../lib/call/wait.ts";
import { settled, Upstream, Window } from "./helpers/instance.ts";
import {
  lists,
  type MountedOptions,
  mountedUpstreams,
  namesOf,
  sentTo,
  TOOLS,
  windows,
} from "./helpers/mounted.ts";
import { mountedServer } from "./helpers/shared_server.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";
import { until } from "./helpers/until.ts";

Deno.test("what the configuration says of a server holds for the mounted one", async () => {
  await using it = mountedUpstreams({
    config: { startTimeoutMs: 7, callTimeoutMs: 8, detachAfterMs: 9, maxInflight: 3, memoryLimitBytes: 4 },
  });
  const { name, startTimeoutMs, callTimeoutMs, detachAfterMs, maxInflight, memoryLimitBytes, admitsItself } =
    it.mounted;
  assertEquals([
    name,
    startTimeoutMs,
    callTimeoutMs,
    detachAfterMs,
    maxInflight,
    memoryLimitBytes,
    admitsItself,
  ], [
    "shared",
    7,
    8,
    9,
    3,
    4,
    true,
  ]);
});

Deno.test("windows of one directory share a process, which is started once, in that directory", async () => {
  await using it = mountedUpstreams({ answer: TOOLS });
  const [ada, bob] = windows();
  const both = await Promise.all([it.mounted.target(ada.call()), it.mounted.target(bob.call())]);
  assertEquals(both.map(({ result }) => result!.n), [1, 1]);
  const elsewhere = new Window("cleo", {}, { cwd: "/x" });
  assertEquals((await it.mounted.target(elsewhere.call())).result!.n, 2);
  assertEquals(it.configs.map((config) => "cwd" in config && config.cwd), ["/w", "/x"]);
  assertEquals([...it.mounted.slots].map(({ sessionIds }) => sessionIds.toSorted()), [["ada", "bob"], [
    "cleo",
  ]]);
  it.mounted.detach(ada.caller);
  assertEquals([...it.mounted.slots][0]!.sessionIds, ["bob"]);
});

Deno.test("a server lists and takes its own names of tools, and one that is not offered is refused", async () => {
  const tools = { exclude: ["b"], rename: {}, prefix: "my_" };
  await using it = mountedUpstreams({ config: { tools }, answer: TOOLS });
  const [ada] = windows();
  const named = (name: unknown, server?: string) =>
    it.mounted.target({ ...ada.call({ params: { name } as JsonObject }), caller: { ...ada.caller, server } });
  assertEquals((await named("probe")).result!.name, "probe");
  assertEquals((await named("probe", "shared")).result!.name, "probe");
  const missing = await assertRejects(
    () => named("b"),
    ExaiError,
    'server "shared" offers no tool "b"',
  );
  assertEquals(missing.code, "TOOL_NOT_FOUND");
  assertEquals(
    (await assertRejects(() => named(7), ExaiError, "name must be a text")).code,
    "INVALID_PARAMS",
  );
  assertEquals(namesOf(await it.mounted.list("tools", lists(ada))), ["probe"]);
  assertEquals(it.mounted.toolNaming, tools);
  const own = await it.mounted.target(lists(ada));
  assertEquals(namesOf(own.result!.tools), ["probe"]);
  assertEquals(it.mounted.lists.faults, []);
});

Deno.test("a call whose process ends before it has begun is made on another, one that may have run is not", async () => {
  await using it = mountedUpstreams({ answer: (request, n) => n === 1 ? undefined : TOOLS!(request, n) });
  const [ada] = windows();
  const running = it.mounted.target(ada.call());
  running.catch(() => {});
  await until("it runs", () => it.upstreams[0]?.last("tools/call"));
  it.upstreams[0]!.onclose!();
  const cut = await assertRejects(() => running, ExaiError, "may have run");
  assertEquals(cut.details?.outcome, "unknown");
  assertEquals((await it.mounted.target(ada.call())).result!.n, 2);
});

Deno.test("a read that was cut is made again, once", async () => {
  await using it = mountedUpstreams({
    answer: ({ method }, n) => {
      if (method === "resources/read" && n < 3) setTimeout(() => it.upstreams[n - 1]!.onclose!(), 0);
      return method === "resources/read" && n < 3 ? undefined : { result: { n } };
    },
  });
  const [ada] = windows();
  const read = () => it.mounted.target(ada.call({ method: "resources/read", params: { uri: "a:" } }));
  await assertRejects(read, ExaiError, "may have run");
  assertEquals(it.starts(), 2);
});

Deno.test("a call waits for the start of its server, and says so; its cancellation does not stop the start", async () => {
  const start = Promise.withResolvers<void>();
  await using it = mountedUpstreams({ answer: TOOLS, onStart: () => start.promise });
  const [ada] = windows();
  const [trace, controller] = [{}, new AbortController()];
  const waiting = it.mounted.target(ada.call({ trace, signal: controller.signal }));
  waiting.catch(() => {});
  // Its directory is looked up first.
  await until("it waits", () => currentWait(trace)?.what() === 'server "shared" to start' || undefined);
  controller.abort();
  await assertRejects(() => waiting, ExaiError);
  start.resolve();
  assertEquals((await it.mounted.target(ada.call())).result!.n, 1);
});

Deno.test("a call waits for the roots of its window, and says so", async () => {
  const roots = Promise.withResolvers<undefined>();
  await using it = mountedUpstreams({ answer: TOOLS });
  const ada = new Window("ada", {}, { roots: () => roots.promise });
  const trace = {};
  const waiting = it.mounted.target(ada.call({ trace }));
  await settled();
  assertEquals(currentWait(trace)!.what(), "its client to tell its roots");
  roots.resolve(undefined);
  await waiting;
});

Deno.test("a server that cannot be started says why, and soon rests", async () => {
  await using it = mountedUpstreams({
    onStart: () => {
      throw new ExaiError("UPSTREAM_UNAVAILABLE", "no such program");
    },
  });
  const [ada] = windows();
  const fails = () => assertRejects(() => it.mounted.target(ada.call()), ExaiError) as Promise<ExaiError>;
  for (const _ of [1, 2]) {
    assertMatch(
      (await fails()).message,
      /^no such program; look at .*server-shared\.log.*exai-daemon reload/,
    );
  }
  assertMatch((await fails()).message, /server "shared" in \/w failed 2 times in a row and rests/);
  const [record] = [...it.mounted.records];
  assertEquals([record!.supervisor.failureState?.failures, record!.where], [2, "in /w"]);
  it.mounted.resetBackoff();
  assertEquals([...it.mounted.records], []);
  assertMatch((await fails()).message, /^no such program; /);
  assertEquals(it.starts(), 3);
});

Deno.test("that this machine lacks something is no failure of the server", async () => {
  await using it = mountedUpstreams({
    onStart: () => {
      throw Object.assign(new Error("too many"), { code: "EMFILE" });
    },
  });
  const [ada] = windows();
  const error = await assertRejects(
    () => it.mounted.target(ada.call()),
    ExaiError,
    'server "shared" cannot start',
  );
  assertEquals([error.code, [...it.mounted.records].length], ["OVER_CAPACITY", 0]);
});

Deno.test("one that is ended is started again for its window's next call; its calls end with it", async () => {
  await using it = mountedUpstreams({ answer: TOOLS });
  const [ada] = windows();
  await it.mounted.target(ada.call());
  const [slot] = [...it.mounted.slots];
  it.mounted.end(slot!);
  it.mounted.end(slot!);
  assertEquals([[...it.mounted.slots], slot!.alive], [[], false]);
  await settled();
  assertEquals(it.upstreams[0]!.isClosed, true);
  assertEquals((await it.mounted.target(ada.call())).result!.n, 2);
});

Deno.test("one that is retired takes nothing new, and ends when what runs on it has finished", async () => {
  await using it = mountedUpstreams({
    answer: (request, n) => n === 1 && request.method === "tools/call" ? undefined : TOOLS!(request, n),
  });
  const [ada] = windows();
  const running = it.mounted.target(ada.call());
  await until("it runs", () => it.upstreams[0]?.last("tools/call"));
  const [slot] = [...it.mounted.slots];
  it.mounted.retireSlot(slot!, 60_000);
  assertEquals([[...it.mounted.slots], [...it.mounted.retiring]], [[], [slot!]]);
  assertEquals((await it.mounted.target(ada.call())).result!.n, 2);
  assertEquals(it.upstreams[0]!.isClosed, false);
  it.upstreams[0]!.say({ id: it.upstreams[0]!.last("tools/call").id, result: { late: true } });
  assertEquals((await running).result, { late: true });
  await until("it is over", () => [...it.mounted.retiring].length === 0 ? true : undefined);
  assertEquals(it.upstreams[0]!.isClosed, true);
});

Deno.test("one that is retired does not wait longer for its calls than it may", async () => {
  await using it = mountedUpstreams({ answer: () => undefined });
  const [ada] = windows();
  const running = it.mounted.target(ada.call());
  running.catch(() => {});
  await until("it runs", () => it.upstreams[0]?.last("tools/call"));
  it.mounted.retireSlot([...it.mounted.slots][0]!, 10);
  await assertRejects(() => running, ExaiError, "it was stopped");
});

Deno.test("a connection that the server has forgotten is replaced, and what runs on it goes on", async () => {
  await using it = mountedUpstreams({
    config: { kind: "http", url: "https://far/", headers: {}, share: "machine" } as never,
    answer: (request, n) => n === 1 && request.params?.name === "hold" ? undefined : TOOLS!(request, n),
  });
  const [ada] = windows();
  await it.mounted.target(ada.call());
  const running = it.mounted.target(ada.call({ params: { name: "hold" } }));
  await until("it runs", () => it.upstreams[0]!.last("tools/call").params!.name === "hold" || undefined);
  it.upstreams[0]!.onlost!("it forgot us");
  await until("the window is connected again", () => it.upstreams.length === 2 || undefined);
  const [record] = [...it.mounted.records];
  assertEquals(record!.supervisor.failureState, undefined);
  assertEquals((await it.mounted.target(ada.call())).result!.n, 2);
  it.upstreams[0]!.say({ id: it.upstreams[0]!.last("tools/call").id, result: { late: true } });
  assertEquals((await running).result, { late: true });
});

Deno.test("with nobody left a process is stopped, and its record is forgotten", async () => {
  await using it = mountedUpstreams({ config: { idleStopMs: 10 }, answer: TOOLS });
  const [ada] = windows();
  await it.mounted.target(ada.call());
  it.mounted.detach(ada.caller);
  await until("it is stopped", () => it.upstreams[0]!.isClosed || undefined);
  assertEquals([[...it.mounted.slots], [...it.mounted.records]], [[], []]);
});

Deno.test("when a server is to go, nothing new begins, what runs finishes, and then it is stopped", async () => {
  await using it = mountedUpstreams({
    answer: ({ method }) => method === "tools/call" ? undefined : { result: {} },
  });
  const [ada, bob] = windows();
  const running = it.mounted.target(ada.call());
  await until("it runs", () => it.upstreams[0]?.last("tools/call"));
  let isOver = false;
  const retiring = it.mounted.retire().then(() => isOver = true);
  await settled();
  const elsewhere = new Window("cleo", {}, { cwd: "/x" });
  const refused = await assertRejects(() => it.mounted.target(elsewhere.call()), ExaiError);
  assertMatch(
    refused.message,
    /server "shared" was taken out of mcp\.json or changed there; list and call again/,
  );
  assertEquals([isOver, it.starts(), refused.code], [false, 1, "UPSTREAM_UNAVAILABLE"]);
  it.upstreams[0]!.say({ id: it.upstreams[0]!.last("tools/call").id, result: { ok: true } });
  assertEquals((await running).result, { ok: true });
  await retiring;
  assertEquals(it.upstreams[0]!.isClosed, true);
  void bob;
});

/** As {@linkcode TOOLS}, but every call begins the task `t`. */
const TASK: MountedOptions["answer"] = (request, n) =>
  request.method === "tools/call" ? { result: { task: { taskId: "t" } } } : TOOLS!(request, n);

Deno.test("what may run on each process, and when, is asked of its admission", async () => {
  const log: string[] = [];
  const admission = (reason?: string) => ({
    ...UNLIMITED,
    check: () => {
      log.push("check");
      if (reason) throw new ExaiError("UPSTREAM_UNAVAILABLE", reason);
    },
    run: (...args: Parameters<Admission["run"]>) => (log.push("run"), UNLIMITED.run(...args)),
  });
  await using it = mountedUpstreams({
    config: { maxInflight: 2, callTimeoutMs: 5 },
    answer: TASK,
    admissionFor: (process) => (log.push(JSON.stringify(process)), admission()),
  });
  const [ada] = windows();
  await it.mounted.target(ada.call());
  assertEquals(log, [
    '{"name":"shared","maxInflight":2,"callTimeoutMs":5,"where":"in /w","isShared":true}',
    "check",
    "run",
  ]);
  log.length = 0;
  await it.mounted.target(lists(ada));
  await it.mounted.target(ada.call({ method: "tasks/get", params: { taskId: "t" } }));
  assertEquals(log, []);
  await using free = mountedUpstreams({ answer: TOOLS, admissionFor: () => admission() });
  await free.mounted.target(ada.call());
  assertEquals(log, ["check", "run"]);
  await using left = mountedUpstreams({ answer: TOOLS, admissionFor: () => admission("left alone") });
  await assertRejects(() => left.mounted.target(ada.call()), ExaiError, "left alone");
  assertEquals(sentTo(left.upstreams[0] ?? new Upstream(), "tools/call").length, 0);
});

Deno.test("a call says that it begins just before it is sent, also one about a task", async () => {
  await using it = mountedUpstreams({ answer: TASK });
  const [ada] = windows();
  let begun = 0;
  await it.mounted.target(ada.call({ begin: () => begun++ }));
  await it.mounted.target(ada.call({ method: "tasks/get", params: { taskId: "t" }, begin: () => begun++ }));
  assertEquals(begun, 2);
});

Deno.test("a process that ends by itself after its start takes what its server lists with it, of every kind", async () => {
  await using it = mountedUpstreams({ answer: TOOLS });
  const [ada] = windows();
  await it.mounted.target(ada.call());
  it.changes.length = 0;
  it.upstreams[0]!.onclose!();
  await settled();
  assertEquals(it.changes.map((kinds) => kinds.toSorted()), [["prompts", "resources", "templates", "tools"]]);
});

Deno.test("the time a package takes to install counts into the limit of a start", async () => {
  using clock = new SteadyClock();
  await using it = mountedServer({ startTimeoutMs: 2000 }, () => {
    clock.pass(1900);
    const silent = new Upstream();
    silent.start = () => new Promise(() => {});
    return Promise.resolve(silent);
  });
  const [ada] = windows();
  const error = await assertRejects(() => it.mounted.target(ada.call()), ExaiError);
  assertMatch(error.message, /server "shared": it was not ready within 2000 ms/);
});
