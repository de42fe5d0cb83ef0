import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { ListKind } from "../lib/call/server.ts";
import { Instance } from "../lib/upstream/instance/instance.ts";
import { instanceOf, settled, Upstream, Window } from "./helpers/instance.ts";

const OK = { result: { ok: true } };

Deno.test("a server is initialized with what its windows can do, told so, and described by what it said", async () => {
  const { instance, upstream } = await instanceOf({ capabilities: { sampling: {} } });
  const [first, second] = upstream.sent as unknown as { method: string; params: object; id?: number }[];
  assertEquals([first!.method, first!.params as unknown], ["initialize", {
    protocolVersion: "2025-11-25",
    capabilities: { sampling: {} },
    clientInfo: { name: "exai", version: "1" },
  }]);
  assertEquals([second!.method, second!.id, upstream.sent.length], [
    "notifications/initialized",
    undefined,
    2,
  ]);
  assertEquals([upstream.revision, instance.description.serverInfo.name], ["2025-11-25", "it"]);
  assertEquals([instance.pid, instance.listening, instance.alive, instance.inflight], [
    4711,
    "open",
    true,
    0,
  ]);
});

Deno.test("a server that does not come in time is given up by name, and let go", async () => {
  const silent = new Upstream();
  silent.start = () => new Promise(() => {});
  const late = await assertRejects(() => instanceOf({ upstream: silent, startTimeoutMs: 5 }), ExaiError);
  assertEquals([late.code, late.message, silent.isClosed], [
    "UPSTREAM_UNAVAILABLE",
    'server "it": it did not connect within 5 ms',
    true,
  ]);
  const mute = new Upstream();
  mute.send = () => Promise.resolve();
  const unanswered = await assertRejects(() => instanceOf({ upstream: mute, startTimeoutMs: 5 }), ExaiError);
  assertEquals([unanswered.message, mute.isClosed], [
    'server "it": it did not answer initialize within 5 ms',
    true,
  ]);
  const broken = new Upstream();
  broken.start = () => Promise.reject(new Error("no route"));
  broken.close = () => Promise.reject(new Error("nor this"));
  await assertRejects(() => instanceOf({ upstream: broken }), ExaiError, 'server "it": no route');
});

Deno.test("a call goes on under an id and a progress token of ours, and its answer comes back as it is", async () => {
  const { instance, upstream } = await instanceOf();
  const ada = new Window("ada");
  const plain = instance.call(ada.call({ params: { name: "a" } }));
  const one = upstream.last("tools/call");
  assertEquals([one.params as unknown, instance.inflight, instance.callCount], [{ name: "a" }, 1, 1]);
  const told = instance.call(ada.call({ params: { name: "b", _meta: { x: 1 } }, progressToken: "mine" }));
  const two = upstream.last("tools/call");
  assert(one.id !== two.id);
  assertEquals(two.params, { name: "b", _meta: { x: 1, progressToken: two.id } });
  upstream.say({ method: "notifications/progress", params: { progressToken: two.id, progress: 1 } });
  assertEquals(ada.heard, [{
    method: "notifications/progress",
    params: { progressToken: "mine", progress: 1 },
  }]);
  upstream.say({ id: two.id, ...OK });
  upstream.say({ id: String(one.id), error: { code: 7, message: "no" } });
  assertEquals([await plain, await told], [{ error: { code: 7, message: "no" } }, OK]);
  await instance.idle();
});

Deno.test("a call that is cancelled is withdrawn from the server with its reason, also when it was cancelled before", async () => {
  const { instance, upstream, logged } = await instanceOf();
  const ada = new Window("ada");
  const controller = new AbortController();
  const running = instance.call(ada.call({ signal: controller.signal }));
  const { id } = upstream.last("tools/call");
  controller.abort(new ExaiError("TIMEOUT", "too late"));
  assertEquals((await assertRejects(() => running, ExaiError)).code, "TIMEOUT");
  assertEquals(upstream.last("notifications/cancelled").params, { requestId: id, reason: "too late" });
  const before = instance.call(ada.call({ signal: AbortSignal.abort() }));
  await assertRejects(() => before, ExaiError);
  assertEquals(
    upstream.sent.filter((it) => "method" in it && it.method === "notifications/cancelled").length,
    2,
  );
  upstream.say({ id, ...OK });
  assertEquals([logged, instance.inflight], [[], 0]);
});

Deno.test("a call that was answered is not withdrawn when its window cancels it later", async () => {
  const { instance, upstream } = await instanceOf();
  upstream.answer = () => OK;
  const controller = new AbortController();
  await instance.call(new Window("ada").call({ signal: controller.signal }));
  controller.abort();
  assertEquals(upstream.last("notifications/cancelled"), undefined);
});

Deno.test("an answer to no request goes to the log of the server, a late one does not", async () => {
  const { upstream, logged } = await instanceOf();
  upstream.say({ id: 1, ...OK });
  assertEquals(logged, []);
  upstream.say({ id: "x".repeat(200), ...OK });
  upstream.say({ id: 999, error: { code: 1, message: "what?" } });
  assertMatch(logged[0]!, /^\(sent an answer to no request: its id is "x{79}\)$/);
  assertEquals(logged.slice(1), ["(sent an error (what?) to no request: its id is 999)"]);
  upstream.say({ id: null, error: { code: 1, message: "parse" } });
  assertEquals(logged.length, 3);
});

Deno.test("a call that cannot be sent fails at once; a notification that cannot be is dropped", async () => {
  const { instance, upstream } = await instanceOf();
  const ada = new Window("ada");
  upstream.fault = new RangeError("too deep");
  const own = await assertRejects(() => instance.call(ada.call()), ExaiError);
  assertEquals(own.code, "INVALID_PARAMS");
  upstream.fault = new Error("broken pipe");
  instance.notify(ada.caller, "notifications/x", {});
  const its = await assertRejects(() => instance.call(ada.call()), ExaiError, 'server "it": broken pipe');
  assertEquals([its.code, instance.inflight], ["UPSTREAM_UNAVAILABLE", 0]);
});

Deno.test("when a server ends, what runs fails as it may have run, and nothing new is sent", async () => {
  const { instance, upstream } = await instanceOf();
  const ada = new Window("ada");
  const running = instance.call(ada.call());
  upstream.describeEnd = () => "it exited with code 3";
  upstream.onclose!();
  const cut = await assertRejects(() => running, ExaiError);
  assertEquals([cut.message, cut.details?.outcome], [
    'server "it": it exited with code 3; the call was under way and may have run',
    "unknown",
  ]);
  const count = upstream.sent.length;
  const after = await assertRejects(() => instance.call(ada.call()), ExaiError);
  assertEquals([after.details?.outcome, upstream.sent.length, instance.alive], ["not_run", count, false]);
  await assertRejects(() => instance.resubscribe(ada.caller, "a:"), ExaiError, "exited with code 3");
  const reason = await instance.ended;
  assertEquals(reason.message, 'server "it": it exited with code 3');
  await instance[Symbol.asyncDispose]();
  assertEquals((await instance.ended).message, reason.message);
});

Deno.test("a server that is stopped says so, and one that says nothing closed the connection", async () => {
  const stopped = await instanceOf();
  const running = stopped.instance.call(new Window("ada").call());
  await Promise.all([
    assertRejects(() => running, ExaiError, 'server "it": it was stopped'),
    stopped.instance[Symbol.asyncDispose](),
  ]);
  assertEquals([stopped.upstream.isClosed, (await stopped.instance.ended).message], [
    true,
    'server "it": it was stopped',
  ]);
  const closed = await instanceOf();
  closed.upstream.onclose!();
  assertEquals((await closed.instance.ended).message, 'server "it": it closed the connection');
});

Deno.test("a server that knows the connection no more gets nothing new, and what runs may still be answered", async () => {
  const lost: [string, boolean][] = [];
  const { instance, upstream } = await instanceOf({
    onConnectionLost: (why, { isFault }) => void lost.push([why.message, isFault]),
  });
  const ada = new Window("ada");
  const running = instance.call(ada.call());
  const { id } = upstream.last("tools/call");
  upstream.onlost!("it forgot us");
  upstream.onlost!("it forgot us again");
  assertEquals([lost, instance.alive], [[['server "it": it forgot us', true]], false]);
  const count = upstream.sent.length;
  const after = await assertRejects(() => instance.call(ada.call()), ExaiError, "it forgot us");
  assertEquals([after.details?.outcome, upstream.sent.length], ["not_run", count]);
  await assertRejects(() => instance.resubscribe(ada.caller, "a:"), ExaiError, "it forgot us");
  upstream.say({ id, ...OK });
  assertEquals(await running, OK);
});

Deno.test("a connection that is lost before it was ever of use is the fault of its server", async () => {
  const faults: boolean[] = [];
  const { instance, upstream } = await instanceOf({
    onConnectionLost: (_, { isFault }) => void faults.push(isFault),
  });
  upstream.answer = () => OK;
  await instance.call(new Window("ada").call());
  upstream.onlost!("it forgot us");
  assertEquals(faults, [false]);
  const ended = await instanceOf({ onConnectionLost: (_, { isFault }) => void faults.push(isFault) });
  ended.upstream.onclose!();
  ended.upstream.onlost!("too late");
  assertEquals(faults.length, 1);
});

Deno.test("what is wrong with the connection goes to the log of the server", async () => {
  const { upstream, logged } = await instanceOf();
  upstream.onerror!(new Error("a line was odd"));
  assertEquals(logged, ["(a line was odd)"]);
});

Deno.test("each resource is subscribed to once for all windows, and updates reach those that are", async () => {
  const { instance, upstream, logged } = await instanceOf();
  upstream.answer = () => OK;
  const [ada, bob] = [new Window("ada"), new Window("bob")];
  for (const { caller } of [ada, bob]) instance.attach(caller);
  const about = (window: Window, verb: string) =>
    instance.call(window.call({ method: `resources/${verb}`, params: { uri: "a:" } }));
  assertEquals(instance.hasSubscriptions, false);
  assertEquals(await about(ada, "subscribe"), OK);
  await about(bob, "subscribe");
  assertEquals(upstream.sent.filter((it) => "method" in it && it.method === "resources/subscribe").length, 1);
  upstream.say({ method: "notifications/resources/updated", params: { uri: "a:" } });
  assertEquals([ada.heard.length, bob.heard], [1, [
    { method: "notifications/resources/updated", params: { uri: "a:" } },
  ]]);
  await about(ada, "unsubscribe");
  assertEquals([upstream.last("resources/unsubscribe"), instance.hasSubscriptions], [undefined, true]);
  instance.leave(bob.caller);
  await settled();
  assertEquals(upstream.last("resources/unsubscribe").params, { uri: "a:" });
  assertEquals(instance.hasSubscriptions, false);
  upstream.say({ method: "notifications/resources/updated", params: { uri: "b:" } });
  upstream.say({ method: "notifications/resources/updated", params: { uri: 7 } });
  assertEquals(logged.length, 2);
  assertMatch(logged[0]!, /^[\dTZ:.-]+ notifications\/resources\/updated of no window: \{"uri":"b:"\}$/);
  await assertRejects(
    () => instance.call(ada.call({ method: "resources/subscribe", params: {} })),
    ExaiError,
    "uri must",
  );
  assertEquals(await instance.resubscribe(ada.caller, "c:"), OK);
  assertEquals([upstream.last("resources/subscribe").params as unknown, instance.hasSubscriptions], [
    { uri: "c:" },
    true,
  ]);
});

Deno.test("the log level is the most talkative of those attached, and follows who comes and goes", async () => {
  const { instance, upstream } = await instanceOf();
  upstream.answer = () => OK;
  const levels = () =>
    upstream.sent.flatMap((it) => "method" in it && it.method === "logging/setLevel" ? [it.params] : []);
  const ada = new Window("ada", {}, { logLevel: "error" });
  const bob = new Window("bob", {}, { logLevel: "info" });
  instance.attach(ada.caller);
  await settled();
  instance.attach(bob.caller);
  await settled();
  instance.leave(bob.caller);
  await settled();
  instance.leave(bob.caller);
  await settled();
  assertEquals(levels() as unknown, [{ level: "error" }, { level: "info" }, { level: "error" }]);
  const cleo = new Window("cleo", {}, { logLevel: "debug" });
  instance.attached.set("cleo", cleo.caller);
  await instance.call(cleo.call({ method: "logging/setLevel", params: { level: "debug" } }));
  assertEquals(levels().at(-1) as unknown, { level: "debug" });
  const mute = await instanceOf({ upstream: Object.assign(new Upstream(), { capabilities: { tools: {} } }) });
  mute.instance.attach(ada.caller);
  await settled();
  assertEquals(mute.upstream.last("logging/setLevel"), undefined);
});

Deno.test("a task is its window's: others cannot see it, and its progress and status find the window", async () => {
  const { instance, upstream, logged } = await instanceOf();
  const [ada, bob] = [new Window("ada"), new Window("bob")];
  for (const { caller } of [ada, bob]) instance.attach(caller);
  upstream.answer = () => ({ result: { task: { taskId: "t1", ttl: 60_000 } } });
  await instance.call(ada.call({ progressToken: "mine" }));
  const token = upstream.last("tools/call").id;
  assertEquals([
    instance.handles.tasks.holds(ada.caller, "t1"),
    instance.handles.tasks.holds(bob.caller, "t1"),
  ], [
    true,
    false,
  ]);
  assertEquals(instance.tasks.has(ada.caller), true);
  upstream.say({ method: "notifications/progress", params: { progressToken: token, progress: 2 } });
  upstream.say({ method: "notifications/tasks/status", params: { taskId: "t1", status: "working" } });
  assertEquals(ada.heard, [
    { method: "notifications/progress", params: { progressToken: "mine", progress: 2 } },
    { method: "notifications/tasks/status", params: { taskId: "t1", status: "working" } },
  ]);
  for (const method of ["tasks/get", "tasks/result", "tasks/cancel"]) {
    await assertRejects(
      () => instance.call(bob.call({ method, params: { taskId: "t1" } })),
      ExaiError,
      "no task",
    );
  }
  upstream.answer = () => ({ result: { tasks: [{ taskId: "t1" }, { taskId: "t2" }] } });
  const listed = async (window: Window) =>
    (await instance.call(window.call({ method: "tasks/list", params: {} }))).result?.tasks as unknown;
  assertEquals(
    [await listed(ada), await listed(bob)],
    [[{ taskId: "t1" }], []],
    "one of nobody's is shown to nobody",
  );
  upstream.answer = () => OK;
  await instance.call(ada.call({ method: "tasks/result", params: { taskId: "t1" } }));
  assertEquals(instance.tasks.has(ada.caller), false);
  instance.leave(ada.caller);
  assertEquals(instance.handles.tasks.holds(ada.caller, "t1"), true);
  instance.detach(ada.caller);
  assertEquals(instance.handles.tasks.holds(ada.caller, "t1"), false);
  upstream.say({ method: "notifications/progress", params: { progressToken: token, progress: 3 } });
  assertEquals([ada.heard.length, logged.length], [2, 1]);
});

Deno.test("the status of a task tells whether it may still be spoken of, and its window's end ends it", async () => {
  const { instance, upstream } = await instanceOf();
  const [ada, bob] = [new Window("ada"), new Window("bob")];
  upstream.answer = ({ params }) => ({ result: { task: { taskId: String(params!.name) } } });
  for (const name of ["t1", "t2"]) await instance.call(ada.call({ params: { name } }));
  assertEquals(instance.tasks.hasRunningOfOthers(bob.caller), true);
  upstream.say({ method: "notifications/tasks/status", params: { taskId: "t1", status: "completed" } });
  assertEquals(instance.tasks.hasRunningOfOthers(bob.caller), true);
  // The other window's turn comes when the server can ask about no task any more.
  assertEquals([bob, ada].map(({ caller }) => instance.attribution.askableInMs(caller)), [Infinity, 0]);
  upstream.say({ method: "notifications/tasks/status", params: { taskId: "t2", status: "failed" } });
  assertEquals(instance.attribution.askableInMs(bob.caller), 0);
  assertEquals([instance.tasks.hasRunningOfOthers(bob.caller), instance.tasks.has(ada.caller)], [
    false,
    true,
  ]);
  instance.detach(ada.caller);
  assertEquals([instance.tasks.hasRunningOfOthers(bob.caller), instance.tasks.has(ada.caller)], [
    false,
    false,
  ]);
});

Deno.test("a change of lists is told to those attached, and the lists are asked for anew", async () => {
  const changes: (readonly ListKind[])[] = [];
  const upstream = new Upstream();
  upstream.capabilities = { tools: { listChanged: true }, resources: {} };
  const { instance } = await instanceOf({ upstream, onListChanged: (kinds) => void changes.push(kinds) });
  upstream.answer = ({ method }) => ({ result: method === "tools/list" ? { tools: [{ name: "a" }] } : {} });
  const ada = new Window("ada");
  instance.attach(ada.caller);
  assertEquals((await instance.lists.get("tools")).length, 1);
  assertEquals([await instance.lists.get("prompts"), upstream.last("prompts/list")], [[], undefined]);
  await instance.lists.get("templates");
  assert(upstream.last("resources/templates/list"));
  upstream.say({ method: "notifications/tools/list_changed" });
  assertEquals([changes, ada.heard], [[["tools"]], [
    { method: "notifications/tools/list_changed", params: {} },
  ]]);
  assertEquals(await instance.lists.known("tools"), undefined);
});

Deno.test("when a server is heard again, lists are compared and resources may have changed", async () => {
  const upstream = new Upstream();
  upstream.capabilities = { tools: { listChanged: true }, prompts: { listChanged: true }, resources: {} };
  let names = ["a"];
  upstream.answer = ({ method }) => ({
    result: method === "tools/list" ? { tools: names.map((name) => ({ name })) } : {},
  });
  const { instance } = await instanceOf({ upstream });
  const ada = new Window("ada");
  instance.attach(ada.caller);
  await instance.lists.get("tools");
  await instance.lists.get("prompts");
  await instance.call(ada.call({ method: "resources/subscribe", params: { uri: "a:" } }));
  names = ["b"];
  upstream.onresumed!();
  await settled();
  assertEquals(ada.heard.map(({ method, params }) => [method, params?.uri]), [
    ["notifications/tools/list_changed", undefined],
    ["notifications/resources/updated", "a:"],
  ]);
});

Deno.test("an instance takes no longer than it may to answer what the daemon asks", async () => {
  const { instance, upstream } = await instanceOf({ startTimeoutMs: 5 });
  const late = await assertRejects(() => instance.lists.get("tools"), ExaiError);
  assertEquals(late.message, 'server "it": it did not answer tools/list within 5 ms');
  const { id } = upstream.last("tools/list");
  assertEquals(upstream.last("notifications/cancelled").params, { requestId: id, reason: late.message });
  assert(instance instanceof Instance && instance.startedAt instanceof Date);
});

Deno.test("the status of a task a client runs is passed on only where there is one", async () => {
  const { instance, upstream } = await instanceOf();
  const { caller } = new Window("ada");
  instance.notify(caller, "notifications/tasks/status", { taskId: "none" });
  assertEquals(upstream.last("notifications/tasks/status"), undefined);
  instance.notify(caller, "notifications/roots/list_changed", {});
  assertEquals(upstream.last("notifications/roots/list_changed").params, {});
});
