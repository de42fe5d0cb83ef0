import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { WithdrawnTaskRequests } from "../lib/upstream/tasks/withdrawn_requests.ts";
import { UnfetchedTasks } from "../lib/upstream/tasks/unfetched_tasks.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { instanceOf, settled, Upstream, Window } from "./helpers/instance.ts";
import { mountedUpstreams, sentTo } from "./helpers/mounted.ts";
import { until } from "./helpers/until.ts";

const CAPABILITIES = { tools: {}, tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } };
const CREATED = "2026-01-01T00:00:00Z";
const task = (taskId: string): JsonObject => ({ taskId, status: "working", ttl: 60_000, createdAt: CREATED });
const ABOUT = ["tasks/get", "tasks/result", "tasks/cancel"];

/** A server that names the tasks it begins as it is told, and shows the tasks of all its processes on each of them. */
function oneStore(...names: string[]) {
  const begun: string[] = [];
  const answer = ({ method, params }: { method: string; params?: JsonObject }): Result => {
    if (method === "tools/call") {
      begun.push(names[begun.length]!);
      return { result: { task: task(begun.at(-1)!) } };
    }
    if (method === "tasks/list") return { result: { tasks: begun.map(task) } };
    const isKnown = begun.includes(String(params?.taskId));
    if (!method.startsWith("tasks/")) return { result: {} };
    return isKnown ? { result: { content: [], of: params!.taskId } } : {
      error: { code: -32602, message: "Task not found" },
    };
  };
  return { capabilities: CAPABILITIES, answer, settleMs: 0 };
}

type Mounted = ReturnType<typeof mountedUpstreams>["mounted"];

const begin = (mounted: Mounted, window: Window) =>
  mounted.target(window.call({ params: { name: "probe", task: {} } }));

async function listed(mounted: Mounted, window: Window): Promise<unknown[]> {
  const { result } = await mounted.target(window.call({ method: "tasks/list", params: {} }));
  return (result!.tasks as JsonObject[]).map(({ taskId }) => taskId);
}

/** That `window` reaches `taskId` in every way, or in none. */
async function checkReach(
  mounted: Mounted,
  window: Window,
  { taskId, isOwn }: { taskId: string; isOwn: boolean },
) {
  assertEquals((await listed(mounted, window)).includes(taskId), isOwn);
  for (const method of ABOUT.slice(0, 2)) {
    const asked = mounted.target(window.call({ method, params: { taskId } }));
    if (isOwn) assertEquals((await asked).result?.of, taskId);
    else await assertRejects(() => asked, ExaiError, `no task "${taskId}" of this session`);
  }
}

Deno.test("a task is reached by its window alone, from whichever process of its server others ask", async () => {
  await using it = mountedUpstreams(oneStore("hers", "his"));
  const [ada, eve] = [new Window("ada", {}, { cwd: "/w" }), new Window("eve", {}, { cwd: "/x" })];
  await begin(it.mounted, ada);
  await begin(it.mounted, eve);
  assertEquals(it.upstreams.length, 2);
  await checkReach(it.mounted, ada, { taskId: "hers", isOwn: true });
  await checkReach(it.mounted, eve, { taskId: "hers", isOwn: false });
  await checkReach(it.mounted, eve, { taskId: "his", isOwn: true });
  assertEquals(await listed(it.mounted, ada), ["hers"]);
  // It is the process that runs the task that was asked.
  assertEquals(sentTo(it.upstreams[0]!, "tasks/get").length, 1);
});

Deno.test("a task stays its window's while its process is on its way out, and once another has taken its place", async () => {
  await using it = mountedUpstreams({ ...oneStore("hers", "his"), config: { share: "machine" } });
  const [ada, eve] = [new Window("ada", {}, { cwd: "/w" }), new Window("eve", {}, { cwd: "/x" })];
  await begin(it.mounted, ada);
  it.mounted.retireSlot([...it.mounted.slots][0]!, 60_000);
  await begin(it.mounted, eve);
  assertEquals(it.upstreams.length, 2);
  await checkReach(it.mounted, eve, { taskId: "hers", isOwn: false });
  await checkReach(it.mounted, ada, { taskId: "hers", isOwn: true });
  await until("the end of the first process", () => it.upstreams[0]!.isClosed || undefined);
  await checkReach(it.mounted, ada, { taskId: "hers", isOwn: true });
  await checkReach(it.mounted, eve, { taskId: "hers", isOwn: false });
});

for (const isFetched of [false, true]) {
  const which = isFetched ? "has nothing to do any more" : "runs still";
  Deno.test(`a task stays its window's when mcp.json changes and its process ${which}`, async () => {
    const store = { ...oneStore("hers", "his", "more"), config: { share: "machine" as const } };
    await using old = mountedUpstreams(store);
    await using now = mountedUpstreams(store);
    await using later = mountedUpstreams(store);
    const [ada, eve] = [new Window("ada", {}, { cwd: "/w" }), new Window("eve", {}, { cwd: "/x" })];
    await begin(old.mounted, ada);
    if (isFetched) await old.mounted.target(ada.call({ method: "tasks/result", params: { taskId: "hers" } }));
    now.mounted.inherit(old.mounted);
    const gone = old.mounted.retire();
    if (isFetched) await gone;
    await begin(now.mounted, eve);
    await checkReach(now.mounted, eve, { taskId: "hers", isOwn: false });
    await checkReach(now.mounted, ada, { taskId: "hers", isOwn: true });
    await gone;
    later.mounted.inherit(now.mounted);
    await now.mounted.target(eve.call({ method: "tasks/result", params: { taskId: "his" } }));
    await now.mounted.retire();
    await checkReach(later.mounted, ada, { taskId: "hers", isOwn: true });
    await checkReach(later.mounted, eve, { taskId: "his", isOwn: true });
    await checkReach(later.mounted, eve, { taskId: "hers", isOwn: false });
    later.mounted.detach(ada.caller);
    await checkReach(later.mounted, eve, { taskId: "hers", isOwn: false });
  });
}

/** An instance, two windows of it, and a request of the first that is to begin a task and is withdrawn. */
async function withdrawn(options: { capabilities?: JsonObject; params?: JsonObject } = {}) {
  const upstream = new Upstream();
  upstream.capabilities = options.capabilities ?? CAPABILITIES;
  const it = await instanceOf({ upstream });
  const [ada, bob] = ["ada", "bob"].map((id) => new Window(id)) as [Window, Window];
  for (const { caller } of [ada, bob]) it.instance.attach(caller);
  const aborter = new AbortController();
  const params = options.params ?? { name: "work", task: {} };
  const asked = it.instance.call(ada.call({ params, signal: aborter.signal }));
  aborter.abort(new ExaiError("TIMEOUT", "it took too long"));
  await assertRejects(() => asked, ExaiError, "it took too long");
  const { id } = upstream.last("tools/call");
  upstream.answer = ({ method }) => ({ result: method === "tasks/list" ? { tasks: [task("t")] } : {} });
  const listedBy = async (window: Window) =>
    (await it.instance.call(window.call({ method: "tasks/list", params: {} }))).result?.tasks;
  const told = () => upstream.last("notifications/cancelled");
  return {
    ...it,
    ada,
    bob,
    listedBy,
    told,
    answerLate: () => upstream.say({ id, result: { task: task("t") } }),
  };
}

Deno.test("a task whose beginning was withdrawn is its window's when the answer comes, and is cancelled", async () => {
  const { instance, upstream, ada, bob, listedBy, told, answerLate } = await withdrawn();
  // Many servers would answer nothing then, and the task would run for nobody.
  assertEquals(told(), undefined);
  assertEquals(await listedBy(ada), []);
  const over = Promise.withResolvers<Result>();
  upstream.answer = ({ method }) => {
    if (method === "tasks/cancel") over.resolve({ result: {} });
    return { result: method === "tasks/list" ? { tasks: [task("t")] } : {} };
  };
  answerLate();
  await over.promise;
  assertEquals(upstream.last("tasks/cancel").params, { taskId: "t" });
  assertEquals([await listedBy(ada), await listedBy(bob)], [[task("t")], []]);
  assertEquals(instance.tasks.remainingMs(), 0);
  answerLate();
  assertEquals(sentTo(upstream, "tasks/cancel").length, 1);
});

Deno.test("a task that is begun for a window that has left is nobody's, is cancelled and keeps no process", async () => {
  const { instance, upstream, ada, bob, listedBy, answerLate } = await withdrawn();
  instance.detach(ada.caller);
  answerLate();
  assertEquals(upstream.last("tasks/cancel").params, { taskId: "t" });
  assertEquals([await listedBy(ada), await listedBy(bob), instance.tasks.remainingMs()], [[], [], 0]);
  // What its server says on its behalf is not guessed to be for whoever calls.
  assertEquals(instance.handles.tasks.has("t"), true);
  for (const method of ABOUT) {
    await assertRejects(
      () => instance.call(bob.call({ method, params: { taskId: "t" } })),
      ExaiError,
      "no task",
    );
  }
});

Deno.test("a request withdrawn after its window has left begins nobody's task", async () => {
  const upstream = new Upstream();
  upstream.capabilities = CAPABILITIES;
  const { instance } = await instanceOf({ upstream });
  const ada = new Window("ada");
  const aborter = new AbortController();
  const asked = instance.call(ada.call({ params: { name: "work", task: {} }, signal: aborter.signal }));
  instance.detach(ada.caller);
  aborter.abort();
  await assertRejects(() => asked, ExaiError);
  upstream.say({ id: upstream.last("tools/call").id, result: { task: task("t") } });
  assertEquals([upstream.last("tasks/cancel").params, instance.tasks.remainingMs()], [{ taskId: "t" }, 0]);
  assertEquals(instance.handles.tasks.get("t"), undefined);
});

Deno.test("a server that begins no tasks is told that a request was withdrawn, whatever that asked for", async () => {
  for (const capabilities of [{ tools: {} }, { tools: {}, tasks: { requests: { sampling: {} } } }]) {
    const { told, upstream, ada, listedBy, answerLate } = await withdrawn({ capabilities });
    assertEquals(told().params?.reason, "it took too long");
    // One that cannot cancel tasks is not asked to, and its window has what it has begun.
    answerLate();
    assertEquals(upstream.last("tasks/cancel"), undefined);
    assertEquals(await listedBy(ada), [task("t")]);
  }
  const { told } = await withdrawn({ params: { name: "work" } });
  assertEquals(told().params?.reason, "it took too long");
});

Deno.test("a server that has ended is waited for no longer to name a task", async () => {
  const { instance, upstream, answerLate } = await withdrawn();
  await instance[Symbol.asyncDispose]();
  answerLate();
  assertEquals([upstream.last("tasks/cancel"), instance.handles.withdrawn.has(2)], [undefined, false]);
});

Deno.test("a late answer that begins no task changes nothing", async () => {
  const { upstream, logged } = await withdrawn();
  const { id } = upstream.last("tools/call");
  upstream.say({ id: String(id), error: { code: 1, message: "no" } });
  upstream.say({ id, result: { task: task("t") } });
  assertEquals([upstream.last("tasks/cancel"), logged], [undefined, []]);
});

Deno.test("a window is told that its task has ended with its process, without asking and when it asks", async () => {
  const known = new Set<unknown>();
  await using it = mountedUpstreams({
    capabilities: CAPABILITIES,
    config: { share: "machine" },
    answer: ({ method, params }, n) => {
      if (method === "tools/call") return { result: { task: task(String(known.add(`t${n}`) && `t${n}`)) } };
      return n === 1 ? { result: {} } : { error: { code: -32602, message: `no ${params?.taskId}` } };
    },
  });
  const [ada, eve] = [new Window("ada", {}, { cwd: "/w" }), new Window("eve", {}, { cwd: "/x" })];
  await begin(it.mounted, ada);
  await it.mounted.target(eve.call({ method: "tools/list", params: {} }));
  it.mounted.retireSlot([...it.mounted.slots][0]!, 0);
  await until("word of the task", () => ada.heard.length > 0 || undefined);
  const [{ method, params }] = ada.heard as [{ method: string; params: JsonObject }];
  const { statusMessage, lastUpdatedAt, ...rest } = params;
  assertEquals([method, rest], [
    "notifications/tasks/status",
    { taskId: "t1", status: "failed", createdAt: CREATED, ttl: 60_000 },
  ]);
  assertMatch(String(statusMessage), /lost: the process of server "shared" was replaced; .*begin it again/);
  assertEquals(new Date(String(lastUpdatedAt)).toISOString(), lastUpdatedAt);
  const ask = (window: Window, taskId: string) =>
    it.mounted.target(window.call({ method: "tasks/get", params: { taskId } }));
  await assertRejects(() => ask(ada, "t1"), ExaiError, 'task "t1" is lost: the process');
  await assertRejects(() => ask(eve, "t1"), ExaiError, 'no task "t1" of this session');
  // One that ends by itself takes its tasks with it too.
  await begin(it.mounted, ada);
  it.upstreams[1]!.onclose!();
  await until("word of the second task", () => ada.heard.length > 1 || undefined);
  assertEquals([ada.heard[1]!.params!.taskId, eve.heard.length], ["t2", 0]);
});

Deno.test("nobody is told of tasks that had ended, were fetched, or were begun by a window that has left", async () => {
  await using it = mountedUpstreams({
    capabilities: CAPABILITIES,
    config: { share: "machine" },
    answer: ({ method, params }) =>
      method === "tools/call" ? { result: { task: task(String(params!.name)) } } : { result: {} },
  });
  const [ada, eve] = [new Window("ada", {}, { cwd: "/w" }), new Window("eve", {}, { cwd: "/x" })];
  const beginAs = (window: Window, name: string) =>
    it.mounted.target(window.call({ params: { name, task: {} } }));
  for (const name of ["fetched", "ended", "runs"]) await beginAs(ada, name);
  await beginAs(eve, "left");
  await it.mounted.target(ada.call({ method: "tasks/result", params: { taskId: "fetched" } }));
  it.upstreams[0]!.say({
    method: "notifications/tasks/status",
    params: { taskId: "ended", status: "completed" },
  });
  it.mounted.detach(eve.caller);
  it.upstreams[0]!.onclose!();
  await settled();
  assertEquals(ada.heard.slice(1).map(({ params }) => params!.taskId), ["runs"]);
  assertEquals(eve.heard, []);
});

Deno.test("a task may go on behind a URL whose connection has ended: its window is told nothing it does not ask", async () => {
  await using it = mountedUpstreams(oneStore("hers"));
  const ada = new Window("ada", {}, { cwd: "/w" });
  await begin(it.mounted, ada);
  Object.assign(it.upstreams[0]!, { pid: undefined });
  it.upstreams[0]!.onclose!();
  await settled();
  assertEquals(ada.heard.filter(({ method }) => method === "notifications/tasks/status"), []);
  await checkReach(it.mounted, ada, { taskId: "hers", isOwn: true });
});

Deno.test("tasks that ended with their server are given once, without those of windows that left meanwhile", () => {
  const tasks = new UnfetchedTasks();
  const [ada, eve] = [new Window("ada"), new Window("eve")];
  for (const [{ caller }, taskId] of [[ada, "hers"], [eve, "his"]] as const) {
    tasks.add(caller, task(taskId));
  }
  tasks.clear();
  tasks.forget(eve.caller);
  assertEquals([tasks.takeInterrupted().map(({ taskId }) => taskId), tasks.takeInterrupted()], [
    ["hers"],
    [],
  ]);
});

Deno.test("a server that names no task for a withdrawn request within 30 seconds is told of that, unless it ends", () => {
  using time = new FakeTimers();
  const late = new WithdrawnTaskRequests();
  const told: number[] = [];
  const withdraw = (id: number) => late.add(new Window("ada").call(), id, () => told.push(id));
  for (const id of [1, 2]) withdraw(id);
  late.take(1);
  time.pass(29_999);
  assertEquals(told, []);
  time.pass(1);
  assertEquals([told, late.has(1), late.has("2"), late.has(null)], [[2], false, true, false]);
  withdraw(3);
  late.clear();
  time.pass(60_000);
  assertEquals([told, late.has(2), late.has(3)], [[2], false, false]);
});

Deno.test("so many answers to withdrawn requests are looked out for, the latest", () => {
  const late = new WithdrawnTaskRequests();
  const call = new Window("ada").call();
  for (let id = 0; id < 1001; id++) late.add(call, id);
  assertEquals([late.has(0), late.has(1), late.has(1000)], [false, true, true]);
  const told: number[] = [];
  const more = new WithdrawnTaskRequests();
  for (let id = 0; id < 1002; id++) more.add(call, id, () => told.push(id));
  assertEquals(told, [0, 1], "the server is told at once of those that are looked out for no more");
  more.clear();
});

Deno.test("a window hears that its task is lost under the name it knows that by", async () => {
  await using it = mountedUpstreams({
    capabilities: CAPABILITIES,
    answer: ({ method }) => method === "tools/call" ? { result: { task: task("t") } } : { result: {} },
  });
  const roots = [{ uri: "file:///a" }];
  const ada = new Window("ada", { roots: {} }, { roots: () => Promise.resolve([...roots]) });
  await begin(it.mounted, ada);
  roots[0] = { uri: "file:///b" };
  it.mounted.notify(ada.caller, "notifications/roots/list_changed", {});
  await settled();
  const second = (await begin(it.mounted, ada)).result!.task as JsonObject;
  it.upstreams[1]!.onclose!();
  await settled();
  const heard = ada.heard.filter(({ method }) => method === "notifications/tasks/status");
  assertEquals(heard.map(({ params }) => params!.taskId), [second.taskId]);
  await assertRejects(
    () => it.mounted.target(ada.call({ method: "tasks/get", params: { taskId: second.taskId } })),
    ExaiError,
    "of this session any more: it is lost",
  );
  assertEquals(
    (await it.mounted.target(ada.call({ method: "tasks/get", params: { taskId: "t" } }))).result,
    {},
  );
});
