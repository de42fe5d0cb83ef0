import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { Call, Caller } from "../lib/call/call.ts";
import type { LogLevel } from "../lib/wire/mcp.ts";
import { mintedId, type Result } from "../lib/wire/rpc.ts";
import { Attribution } from "../lib/upstream/instance/attribution.ts";
import { Semaphore } from "../lib/base/semaphore.ts";
import { InFlightTable } from "../lib/upstream/instance/inflight.ts";
import { isTaskMethod } from "../lib/upstream/method_kind.ts";
import type { Instance } from "../lib/upstream/instance/instance.ts";
import { SharedLogLevel } from "../lib/upstream/instance/log_level.ts";
import {
  createdTask,
  HandleTable,
  MAX_HANDLE_CHARS,
  relatedTask,
  requiredElicitations,
  TaskProgress,
} from "../lib/upstream/tasks/handle_table.ts";
import { UnfetchedTasks, untilUnused } from "../lib/upstream/tasks/unfetched_tasks.ts";
import { call } from "./helpers/call.ts";

const [ADA, BOB] = ["ada", "bob"].map((id) => ({ ...call().caller, id })) as [Caller, Caller];
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("a handle is its window's alone, and nobody's when that is over", () => {
  const owners = new HandleTable();
  owners.set("t1", ADA);
  assertEquals([owners.get("t1"), owners.has("t1"), owners.has("t2"), owners.get(7), owners.has(7)], [
    ADA,
    true,
    false,
    undefined,
    false,
  ]);
  owners.checkTask(ADA, "t1");
  const error = assertThrows(() => owners.checkTask(BOB, "t1"), ExaiError, 'no task "t1" of this session');
  assertEquals(error.code, "INVALID_PARAMS");
  // Of one that nobody here made it is not known whose it is.
  for (const unknown of ["t2", undefined, 7, null]) {
    assertThrows(() => owners.checkTask(BOB, unknown), ExaiError, "the session that began it");
  }
  owners.set("t3", BOB);
  owners.forget(ADA);
  assertEquals([owners.get("t1"), owners.has("t1"), owners.get("t3")], [undefined, true, BOB]);
  assertThrows(() => owners.checkTask(ADA, "t1"), ExaiError);
  owners.forget({ ...BOB, id: "cleo" });
  owners.checkTask({ ...BOB }, "t3");
});

Deno.test("a list of tasks holds those of the window, and none that nobody here made", () => {
  const owners = new HandleTable();
  owners.set("hers", ADA);
  owners.set("his", BOB);
  const tasks = [{ taskId: "hers" }, { taskId: "his" }, { taskId: "open" }, "odd", null];
  assertEquals(owners.filterTasks(ADA, { result: { tasks, nextCursor: "c" } }), {
    result: { tasks: [{ taskId: "hers" }], nextCursor: "c" },
  });
  const refused: Result = { error: { code: 1, message: "no" } };
  assertEquals(owners.filterTasks(ADA, refused), refused);
  assertEquals(owners.filterTasks(ADA, { result: { tasks: "odd" } }), { result: { tasks: "odd" } });
});

Deno.test("so many handles are kept, the latest", () => {
  const owners = new HandleTable();
  for (let n = 0; n < 10_000; n++) owners.set(`t${n}`, ADA);
  assert(owners.has("t0"));
  owners.set("last", ADA);
  assertEquals([owners.has("t0"), owners.has("t1"), owners.get("last")], [false, true, ADA]);
  assertThrows(() => owners.checkTask(BOB, "unknown"), ExaiError);
});

Deno.test("a handle that is too long is not kept, and so not known to be anybody's", () => {
  const owners = new HandleTable();
  owners.set("x".repeat(MAX_HANDLE_CHARS), ADA);
  owners.set("y".repeat(MAX_HANDLE_CHARS + 1), ADA);
  assertEquals([owners.has("x".repeat(MAX_HANDLE_CHARS)), owners.has("y".repeat(MAX_HANDLE_CHARS + 1))], [
    true,
    false,
  ]);
  assertThrows(() => owners.checkTask(BOB, "unknown"), ExaiError);
});

Deno.test("progress of a task is known by the token the server was given, as number or text", () => {
  const progress = new TaskProgress();
  progress.set(7, { caller: ADA, progressToken: "mine" });
  progress.set(8, { caller: BOB, progressToken: "his" });
  assertEquals(progress.get("7")?.progressToken, "mine");
  progress.forget(ADA);
  assertEquals([progress.get(7), progress.get(8)?.progressToken], [undefined, "his"]);
  for (let n = 100; n < 10_099; n++) progress.set(n, { caller: ADA, progressToken: n });
  assert(progress.get(8));
  progress.set(20_000, { caller: ADA, progressToken: 1 });
  assertEquals([progress.get(8), progress.get(100)?.progressToken], [undefined, 100]);
});

Deno.test("what names a task or an elicitation is read where MCP puts it, and nowhere else", () => {
  const key = "io.modelcontextprotocol/related-task";
  assertEquals(relatedTask({ _meta: { [key]: { taskId: "t" } } }), "t");
  for (const params of [undefined, {}, { _meta: null }, { _meta: {} }, { _meta: { [key]: null } }]) {
    assertEquals(relatedTask(params as JsonObject), undefined);
  }
  assertEquals([createdTask({ task: { taskId: "t" } }), createdTask({}), createdTask({ task: null })], [
    "t",
    undefined,
    undefined,
  ]);
  const data = { elicitations: [{ elicitationId: "e" }, null, {}] };
  assertEquals(requiredElicitations(data), ["e", undefined, undefined]);
  assertEquals([requiredElicitations(undefined), requiredElicitations({ elicitations: 1 })], [[], []]);
});

Deno.test("an id of ours that comes back as text is the same, any other text is not", () => {
  assertEquals(["0", "7", "120", 7].map((id) => mintedId(id)), [0, 7, 120, 7]);
  assertEquals(["07", "1.0", " 1", "1 "].map((id) => mintedId(id)), [7, 1, 1, 1]);
  for (const id of ["", "-1", "1e3", "1.5", "a1", "1a", "1234567890123456"]) {
    assertEquals(mintedId(id), id);
  }
  assertEquals(mintedId("123456789012345"), 123456789012345);
});

Deno.test("a task is waited for until it was fetched, cancelled, has expired or its window is gone", () => {
  const tasks = new UnfetchedTasks();
  tasks.add(ADA, { taskId: "a", ttl: 1000 }, 0);
  tasks.add(BOB, { taskId: "b", ttl: 400 }, 0);
  assertEquals([tasks.remainingMs(0), tasks.remainingMs(400), tasks.has(BOB)], [1000, 600, false]);
  tasks.add(BOB, { taskId: 7 as never }, 0);
  tasks.add(BOB, { taskId: "x".repeat(MAX_HANDLE_CHARS + 1) }, 0);
  assertEquals(tasks.has(BOB), false);
  tasks.add(BOB, { taskId: "x".repeat(MAX_HANDLE_CHARS) }, 0);
  assertEquals(tasks.has(BOB), true);
  tasks.answered("tasks/result", 7, { result: {} });
  tasks.answered("tasks/result", "a", { error: { code: 1, message: "no" } });
  assertEquals(tasks.has(ADA), true);
  tasks.answered("tasks/result", "a", { result: {} });
  assertEquals(tasks.has(ADA), false);
  tasks.forget(BOB);
  assertEquals(tasks.remainingMs(0), 0);
});

Deno.test("another window's task is in the way while it runs: not once it is over or has expired", () => {
  for (const status of ["completed", "failed", "cancelled", "working", "input_required"]) {
    const tasks = new UnfetchedTasks();
    tasks.add(ADA, { taskId: "a", ttl: 1000 }, 0);
    assertEquals([
      tasks.hasRunningOfOthers(ADA, 0),
      tasks.hasRunningOfOthers(BOB, 0),
      tasks.hasRunningOfOthers(BOB, 1000),
    ], [
      false,
      true,
      false,
    ]);
    tasks.setStatus(7, status);
    tasks.setStatus("b", status);
    assertEquals(tasks.hasRunningOfOthers(BOB, 0), true);
    tasks.setStatus("a", status);
    const runs = status === "working" || status === "input_required";
    assertEquals(tasks.hasRunningOfOthers(BOB, 0), runs, status);
    assertEquals(tasks.has(ADA), true);
  }
  const tasks = new UnfetchedTasks();
  tasks.add(ADA, { taskId: "a" }, 0);
  tasks.answered("tasks/get", "a", { result: { status: "failed" } });
  assertEquals([tasks.hasRunningOfOthers(BOB, 0), tasks.remainingMs(0)], [false, Infinity]);
});

Deno.test("so many tasks are kept, the latest", () => {
  const tasks = new UnfetchedTasks();
  tasks.add(BOB, { taskId: "first" }, 0);
  for (let n = 1; n < 10_000; n++) tasks.add(ADA, { taskId: `t${n}` }, 0);
  assertEquals(tasks.has(BOB), true);
  tasks.add(ADA, { taskId: "last" }, 0);
  assertEquals(tasks.has(BOB), false);
});

/** An entry of the table that notes what becomes of it. */
function entry(log: string[], name: string, its?: Call) {
  return {
    call: its,
    settle: ({ result, error }: Result) => void log.push(`${name} ${JSON.stringify(result ?? error)}`),
    fail: ({ code }: ExaiError) => void log.push(`${name} ${code}`),
  };
}

Deno.test("an answer settles the request it names, once; one to nothing is said to be none", () => {
  const log: string[] = [];
  const table = new InFlightTable(new Attribution());
  table.add(1, entry(log, "one"));
  table.add(2, entry(log, "two"));
  table.add(3, entry(log, "three"));
  assertEquals([table.size, table.get("2") === table.get(2), table.get(9)], [3, true, undefined]);
  assertEquals(table.settle({ jsonrpc: "2.0", id: "1", result: { a: 1 } }), true);
  assertEquals(table.settle({ jsonrpc: "2.0", id: 1, result: { a: 1 } }), false);
  assertEquals(table.settle({ jsonrpc: "2.0", id: null, error: { code: 1, message: "x" } }), false);
  assertEquals(table.settle({ jsonrpc: "2.0", id: 2, error: { code: 5, message: "no" } }), true);
  assertEquals(table.settle({ jsonrpc: "2.0", id: 3 } as never), true);
  assertEquals(log, ['one {"a":1}', 'two {"code":5,"message":"no"}', "three {}"]);
  assertEquals(table.take(1), undefined);
});

Deno.test("an answer that cannot be taken fails its request, and whoever handles the message hears why", () => {
  const log: string[] = [];
  const table = new InFlightTable(new Attribution());
  const settle = () => {
    throw new Error("it cannot be taken");
  };
  table.add(1, { ...entry(log, "one"), settle });
  assertThrows(() => table.settle({ jsonrpc: "2.0", id: 1, result: {} }), Error, "it cannot be taken");
  assertEquals(log, ["one INTERNAL"]);
});

Deno.test("the table says when nothing is under way, now or later, however that comes", async () => {
  const table = new InFlightTable(new Attribution());
  await table.idle();
  const events: string[] = [];
  table.add(1, entry([], "one"));
  table.add(2, entry([], "two"));
  const idle = table.idle().then(() => events.push("idle"));
  assertEquals(table.idle() === table.idle(), true);
  table.take(1);
  await settled();
  assertEquals(events, []);
  table.take(2);
  await idle;
  table.add(3, entry([], "three"));
  const again = table.idle();
  assertEquals(table.takeAll().length, 1);
  await again;
  assertEquals(table.size, 0);
});

Deno.test("a call is known to run from its request to its answer, longer when it was withdrawn; a task's never is", () => {
  const attribution = new Attribution({ settleMs: 10_000 });
  const table = new InFlightTable(attribution);
  table.add(1, entry([], "one", call({ caller: ADA, method: "tasks/get" })));
  table.add(2, entry([], "two"));
  assertEquals([attribution.quietInMs(BOB), isTaskMethod("tasks/get"), isTaskMethod("tools/call")], [
    0,
    true,
    false,
  ]);
  table.add(3, entry([], "three", call({ caller: ADA })));
  assertEquals(attribution.quietInMs(BOB), Infinity);
  table.take(3, { withdrawn: true });
  const quietInMs = attribution.quietInMs(BOB);
  assert(quietInMs > 20_000 && quietInMs <= 50_000, String(quietInMs));
});

Deno.test("a gate lets so many through at once, the others in the order they came, also after a failure", async () => {
  const gate = new Semaphore(2);
  const log: string[] = [];
  const ends = ["a", "b", "c", "d"].map((name) => {
    const end = Promise.withResolvers<void>();
    const run = gate.run(async () => {
      log.push(name);
      await end.promise;
      return name;
    });
    return { ...end, run };
  });
  await settled();
  assertEquals(log, ["a", "b"]);
  ends[1]!.reject(new Error("b failed"));
  await assertRejects(() => ends[1]!.run, Error, "b failed");
  await settled();
  assertEquals(log, ["a", "b", "c"]);
  for (const { resolve } of ends) resolve();
  assertEquals(await Promise.all([ends[0]!.run, ends[2]!.run, ends[3]!.run]), ["a", "c", "d"]);
  const held = Promise.withResolvers<void>();
  const both = [gate.run(() => held.promise), gate.run(() => held.promise)];
  let isThird = false;
  const third = gate.run(() => Promise.resolve(isThird = true));
  await settled();
  assertEquals(isThird, false);
  held.resolve();
  await Promise.all([...both, third]);
});

/** A server's log level, and what it is told. */
function logLevel(answer: () => Result = () => ({ result: {} })) {
  const told: string[] = [];
  let attached: Caller[] = [];
  const shared = new SharedLogLevel((level) => (told.push(level), Promise.resolve(answer())), () => attached);
  const update = (...levels: (LogLevel | undefined)[]) => {
    attached = levels.map((level) => ({ ...ADA, logLevel: level }));
    return shared.update();
  };
  return { told, update, shared };
}

Deno.test("a server is told the most talkative level that any of its windows wants, when that changes", async () => {
  const { told, update } = logLevel();
  assertEquals(await update(), { result: {} });
  await update(undefined, undefined);
  assertEquals(told, []);
  await update("error", "warning");
  await update("warning");
  await update("warning", undefined);
  await update("emergency");
  assertEquals(told, ["warning", "info", "emergency"]);
  await update(undefined);
  await update();
  assertEquals(told.slice(3), ["info"]);
});

Deno.test("a window that says nothing is taken to want what servers send by themselves, not all there is", async () => {
  const { told, update, shared } = logLevel();
  await update("error", undefined);
  assertEquals(told, ["info"]);
  assertEquals(["debug", "info"].map((level) => shared.passes({ logLevel: undefined }, level)), [
    false,
    true,
  ]);
});

Deno.test("a level the server refuses is asked for again, and whoever asked hears of it", async () => {
  let refuses = true;
  const { told, update } = logLevel(() => refuses ? { error: { code: 3, message: "no" } } : { result: {} });
  assertEquals((await update("info")).error?.code, 3);
  refuses = false;
  assertEquals(await update("info"), { result: {} });
  assertEquals(told, ["info", "info"]);
});

Deno.test("one change of level at a time, and who asks meanwhile shares the next, though the last one failed", async () => {
  const told: string[] = [];
  const first = Promise.withResolvers<Result>();
  let wanted: LogLevel = "info";
  const shared = new SharedLogLevel((level) => {
    told.push(level);
    return told.length === 1 ? first.promise : Promise.resolve({ result: {} });
  }, () => [{ ...ADA, logLevel: wanted }]);
  const one = shared.update();
  wanted = "debug";
  const two = shared.update();
  wanted = "error";
  assertEquals(shared.update() === two, true);
  await settled();
  assertEquals(told, ["info"]);
  first.reject(new Error("it is gone"));
  await assertRejects(() => one, Error, "it is gone");
  await two;
  assertEquals(told, ["info", "error"]);
});

Deno.test("a server that does not answer is asked for a level again only when a window says what it wants", async () => {
  let fails = true;
  const told: string[] = [];
  const shared = new SharedLogLevel((level) => {
    told.push(level);
    return fails ? Promise.reject(new Error("silent")) : Promise.resolve({ result: {} });
  }, () => [{ ...ADA, logLevel: told.length > 2 ? "error" : "info" }]);
  shared.attachedChanged();
  await settled();
  shared.attachedChanged();
  await settled();
  assertEquals(told, ["info"]);
  await assertRejects(() => shared.update(), Error, "silent");
  fails = false;
  await shared.update();
  shared.attachedChanged();
  await settled();
  assertEquals(told, ["info", "info", "info", "error"]);
});

Deno.test("a process that is gone is quiet, whatever tasks it was asked for", async () => {
  const tasks = new UnfetchedTasks();
  tasks.add(ADA, { taskId: "a", ttl: 60_000 });
  const instance = { tasks, inflight: 0, alive: false, idle: () => Promise.resolve() };
  await untilUnused(instance as unknown as Instance, new AbortController().signal);
  assertEquals(tasks.has(ADA), false);
});
