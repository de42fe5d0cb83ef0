import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { META } from "../lib/wire/client_claim.ts";
import { toRpcError } from "../lib/wire/codes.ts";
import { readRawMessage } from "../lib/wire/raw_message.ts";
import { UNLIMITED } from "../lib/wire/json_scan.ts";
import { type Params, valueOf } from "../lib/wire/raw_object.ts";
import type { Result, RpcRequest } from "../lib/wire/rpc.ts";
import { settled, Window } from "./helpers/instance.ts";
import { Permits } from "../lib/admission/permits.ts";
import { ProcessAdmission } from "../lib/admission/process_admission.ts";
import { asks, callOf, DONE, modern } from "./helpers/modern_instance.ts";

const metaOf = (request: RpcRequest) => request.params!._meta as JsonObject;

/** Declared with every request: the daemon waits for tasks on behalf of its clients. */
const TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };

Deno.test("each request says who sends it, what its own client can do, and which log messages that wants", async () => {
  const { instance, upstream } = await modern(() => DONE);
  const ada = new Window("ada", { sampling: {}, roots: { listChanged: true }, experimental: { x: {} } }, {
    logLevel: "warning",
  });
  const bob = new Window("bob", { elicitation: { url: {} } }, { client: { name: "client", version: "9" } });
  await instance.call(callOf(ada));
  assertEquals(metaOf(upstream.last("tools/call")), {
    [META.revision]: "2026-07-28",
    [META.client]: { name: "exai", version: "1" },
    [META.capabilities]: { sampling: {}, roots: { listChanged: true }, ...TASKS },
    [META.logLevel]: "warning",
  });
  await instance.call(callOf(bob));
  assertEquals(metaOf(upstream.last("tools/call"))[META.capabilities], {
    elicitation: { url: {} },
    ...TASKS,
  });
  assert(!(META.logLevel in metaOf(upstream.last("tools/call"))));
  await instance.call(callOf(bob, { name: "a" }, { logLevel: "debug" }));
  assertEquals(metaOf(upstream.last("tools/call"))[META.logLevel], "debug");
});

Deno.test("params that came as text go on as they came, but for what is about this hop", async () => {
  const { instance, upstream } = await modern(() => DONE);
  const params =
    `{"name":"a","arguments":{"n":1.0},"requestState":"not yours","_meta":{"progressToken":"mine",` +
    `"${META.client}":{"name":"other"},"traceparent":"00-1"}}`;
  const request = readRawMessage(
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`,
    UNLIMITED,
  );
  const body = request!.body!;
  const answers = { inputResponses: { q: { action: "accept" } }, requestState: "s" };
  const parts = { params: body.value, body, progressToken: "mine", answers };
  await instance.call(new Window("ada").call({ method: "tools/call", ...parts }));
  const sent = upstream.last("tools/call");
  assert((sent as unknown as { text: string }).text.includes(`"arguments":{"n":1.0}`));
  assertEquals(sent.params, {
    name: "a",
    arguments: { n: 1 },
    inputResponses: { q: { action: "accept" } },
    requestState: "s",
    _meta: {
      progressToken: sent.id as number,
      traceparent: "00-1",
      [META.revision]: "2026-07-28",
      [META.client]: { name: "exai", version: "1" },
      [META.capabilities]: TASKS,
    },
  });
});

Deno.test("no request and no notification of the legacy era reaches it", async () => {
  const { instance, upstream } = await modern(() => DONE);
  const window = new Window("ada", {}, { logLevel: "info" });
  instance.attach(window.caller);
  assertEquals(await instance.call(window.call({ method: "logging/setLevel", params: { level: "info" } })), {
    result: {},
  });
  assertEquals(await instance.call(window.call({ method: "ping", params: {} })), { result: {} });
  instance.logLevelChanged();
  for (const name of ["roots/list_changed", "tasks/status", "initialized"]) {
    instance.notify(window.caller, `notifications/${name}`, {});
  }
  assert(await instance.liveness.check(1000));
  const methods = new Set(upstream.sent.map((message) => "method" in message && message.method));
  assertEquals([...methods], ["server/discover"]);
});

Deno.test("a call that is withdrawn is cancelled, by closing its stream where it has one", async () => {
  const cancelled: unknown[] = [];
  for (const withdraw of [undefined, (id: unknown) => void cancelled.push(id)]) {
    const { instance, upstream } = await modern();
    Object.assign(upstream, { withdraw });
    const controller = new AbortController();
    const running = instance.call(callOf(new Window("ada"), { name: "a" }, { signal: controller.signal }));
    controller.abort(new ExaiError("CANCELLED", "enough"));
    await assertRejects(() => running, ExaiError, "enough");
    const { id } = upstream.last("tools/call");
    const told = upstream.sent.filter((message) =>
      "method" in message && message.method === "notifications/cancelled"
    );
    if (withdraw) assertEquals([cancelled, told], [[id], []]);
    else {assertEquals(told, [{
        jsonrpc: "2.0",
        method: "notifications/cancelled",
        params: { requestId: id, reason: "enough" },
      }]);}
  }
});

Deno.test("results that no server may give are errors", async () => {
  const results: Result[] = [
    { result: { resultType: "future" } },
    // Every request for its state is answered with the same, which has no status.
    { result: { resultType: "task", taskId: "1", pollIntervalMs: 1 } },
    asks(undefined),
    asks({ a: { method: "ping" } }),
    asks({ a: "no" }),
  ];
  for (const result of results) {
    const { instance } = await modern(() => result);
    const call = instance.call(callOf(new Window("ada", { elicitation: {} })));
    const { error } = await call.catch((thrown) => ({ error: toRpcError(thrown) }));
    assertEquals((error?.data as JsonObject)?.code, "INTERNAL");
  }
});

Deno.test("errors about the hop to the server are given the meaning they have for its caller", async () => {
  const errors = [
    {
      code: -32021,
      message: "cannot",
      data: { requiredCapabilities: { elicitation: { url: {} }, sampling: {} } },
    },
    { code: -32021, message: "cannot", data: { requiredCapabilities: { sampling: {} } } },
    { code: -32020, message: "headers" },
    { code: -32602, message: "no such tool", data: { own: true } },
  ];
  const window = new Window("ada", { elicitation: {}, sampling: {} });
  const seen = [];
  for (const error of errors) {
    const { instance } = await modern(() => ({ error }));
    const { code, data } = (await instance.call(callOf(window))).error!;
    seen.push([code, (data as JsonObject).code ?? data, (data as JsonObject).requiredCapabilities]);
  }
  assertEquals(seen, [
    [-32021, "MISSING_CAPABILITY", { elicitation: { url: {} } }],
    [-32603, "INTERNAL", undefined],
    [-32603, "INTERNAL", undefined],
    [-32602, { own: true }, undefined],
  ]);
});

Deno.test("a server that does not speak the revision any more is started again, and asked what it speaks", async () => {
  const { instance, found } = await modern(() => ({ error: { code: -32022, message: "gone", data: {} } }));
  const failure = await assertRejects(
    () => instance.call(callOf(new Window("ada"))),
    ExaiError,
    "does not speak MCP",
  );
  assertEquals(failure.details?.outcome, "not_run");
  assertEquals([instance.alive, found], [false, [undefined]]);
});

Deno.test("a request of the server is not answered, and noted in its log", async () => {
  const { instance, upstream, logged } = await modern();
  const running = instance.call(callOf(new Window("ada", { elicitation: {} })));
  upstream.say({ id: 5, method: "elicitation/create", params: {} });
  upstream.say({ id: 6, method: "ping" });
  await settled();
  assertEquals([upstream.answered(5), upstream.answered(6), logged.length], [undefined, undefined, 2]);
  upstream.say({ id: upstream.last("tools/call").id, ...DONE });
  await running;
});

Deno.test("a log message goes to the calls that asked for some, if these are of one window", async () => {
  const { instance, upstream, logged } = await modern();
  const [ada, bob] = [new Window("ada", {}, { logLevel: "debug" }), new Window("bob")];
  for (const { caller } of [ada, bob]) instance.attach(caller);
  await settled();
  void instance.call(callOf(ada)).catch(() => {});
  void instance.call(callOf(bob)).catch(() => {});
  upstream.say({ method: "notifications/message", params: { level: "info", data: 1 } });
  assertEquals([ada.heard.length, bob.heard.length], [1, 0]);
  void instance.call(callOf(bob, { name: "a" }, { logLevel: "info" })).catch(() => {});
  upstream.say({ method: "notifications/message", params: { level: "info", data: 2 } });
  assertEquals([ada.heard.length, bob.heard.length, logged.length], [1, 0, 1]);
  await instance[Symbol.asyncDispose]();
});

Deno.test("progress finds its call, whatever its window calls it", async () => {
  const { instance, upstream } = await modern();
  const window = new Window("ada");
  const running = instance.call(
    callOf(window, { name: "a", _meta: { progressToken: "p" } }, { progressToken: "p" }),
  );
  const { id } = upstream.last("tools/call");
  upstream.say({ method: "notifications/progress", params: { progressToken: id, progress: 1 } });
  assertEquals(window.heard, [{
    method: "notifications/progress",
    params: { progressToken: "p", progress: 1 },
  }]);
  upstream.say({ id, ...DONE });
  await running;
});

Deno.test("a stream of notifications is open when the server says so, yields what is tagged, and keeps nothing busy", async () => {
  const { instance, upstream } = await modern();
  const heard: [string, unknown][] = [];
  const opening = instance.openListen!({ toolsListChanged: true }, (method, params: Params) => {
    heard.push([method, valueOf(params).uri]);
  });
  const { id, params } = upstream.last("subscriptions/listen");
  assertEquals(params!.notifications, { toolsListChanged: true });
  assertEquals(instance.inflight, 0);
  const _meta = { [META.subscription]: id as number };
  upstream.say({
    method: "notifications/subscriptions/acknowledged",
    params: { _meta, notifications: { toolsListChanged: true } },
  });
  const stream = await opening;
  assertEquals(stream.honoured, { toolsListChanged: true });
  upstream.say({ method: "notifications/resources/updated", params: { _meta, uri: "a:b" } });
  upstream.say({
    method: "notifications/resources/updated",
    params: { _meta: { [META.subscription]: 99 }, uri: "c" },
  });
  assertEquals(heard, [["notifications/resources/updated", "a:b"]]);
  upstream.say({ id, result: { resultType: "complete", _meta } });
  assertEquals(await stream.ended, { isGraceful: true });
});

Deno.test("a stream that is refused, not acknowledged, closed or cut ends", async () => {
  const refused = await modern(({ method }) =>
    method === "subscriptions/listen" ? { error: { code: -32601, message: "none" } } : undefined
  );
  const refusal = await assertRejects(
    () => refused.instance.openListen!({}, () => {}),
    ExaiError,
    "refused subscriptions/listen: none",
  );
  assertEquals(refusal.code, "METHOD_NOT_FOUND");
  const { instance, upstream } = await modern();
  await assertRejects(() => instance.openListen!({}, () => {}), ExaiError, "did not acknowledge");
  assertEquals(
    upstream.last("notifications/cancelled").params?.requestId,
    upstream.last("subscriptions/listen").id as number,
  );
  const open = () => {
    const opening = instance.openListen!({}, () => {});
    const _meta = { [META.subscription]: upstream.last("subscriptions/listen").id as number };
    upstream.say({
      method: "notifications/subscriptions/acknowledged",
      params: { _meta, notifications: {} },
    });
    return opening;
  };
  const closed = await open();
  closed.close();
  assertEquals(await closed.ended, { isGraceful: true });
  const cut = await open();
  upstream.onclose!();
  assertEquals(await cut.ended, { isGraceful: false });
});

Deno.test("what a server still tells a stream that was closed, or was never opened, reaches nobody", async () => {
  const { instance, upstream, logged } = await modern();
  const window = new Window("ada");
  instance.attach(window.caller);
  const heard: string[] = [];
  const opening = instance.openListen!({ toolsListChanged: true }, (method) => heard.push(method));
  const { id } = upstream.last("subscriptions/listen");
  const tell = (method: string, stream: number | string, params: JsonObject = {}) =>
    upstream.say({ method, params: { ...params, _meta: { [META.subscription]: stream } } });
  tell("notifications/subscriptions/acknowledged", id as number, {
    notifications: { toolsListChanged: true },
  });
  const stream = await opening;
  tell("notifications/tools/list_changed", id as number);
  assertEquals(heard.splice(0), ["notifications/tools/list_changed"]);
  stream.close();
  for (const closed of [id as number, "never opened"]) {
    tell("notifications/tools/list_changed", closed);
    tell("notifications/resources/updated", closed, { uri: "a:b" });
    tell("notifications/subscriptions/acknowledged", closed, { notifications: {} });
  }
  await settled();
  assertEquals([heard, window.heard, logged], [[], [], []]);
});

Deno.test("subscriptions are asked for in one listen: their calls need no permit, and say that they only wait", async () => {
  const { instance, upstream } = await modern();
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 0, queueTotalMax: 0 });
  const admission = new ProcessAdmission({ name: "it", permits, queueMax: 0 });
  const window = new Window("ada");
  let joined = 0;
  const subscribe = (uri: string) => {
    const trace = { server: undefined, onJoined: () => void joined++ };
    const call = window.call({ method: "resources/subscribe", params: { uri }, trace });
    return admission.run(call, instance);
  };
  const running = admission.run(callOf(window), instance);
  const answers = ["a:1", "a:2", "a:3"].map(subscribe);
  await settled();
  assertEquals(joined, 3);
  const { id, params } = upstream.last("subscriptions/listen");
  const { notifications } = params as { notifications: JsonObject };
  assertEquals(notifications, { resourceSubscriptions: ["a:1", "a:2", "a:3"] });
  const _meta = { [META.subscription]: id as number };
  upstream.say({ method: "notifications/subscriptions/acknowledged", params: { _meta, notifications } });
  assertEquals(await Promise.all(answers), Array(3).fill({ result: {} }));
  upstream.say({ id: upstream.last("tools/call").id, ...DONE });
  await running;
  await instance[Symbol.asyncDispose]();
});
