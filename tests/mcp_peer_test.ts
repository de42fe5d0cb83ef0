import { assertEquals, assertStringIncludes } from "@std/assert";
import { ByteBudget } from "../lib/base/byte_budget.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { GivenUp } from "../lib/call/wait.ts";
import type { Json, JsonObject } from "../lib/base/json.ts";
import type { RegistryOptions } from "../lib/session/registry.ts";
import { textResult } from "../lib/wire/mcp.ts";
import { valueOf } from "../lib/wire/raw_object.ts";
import { daemonHooks, settle } from "./helpers/memory_channel.ts";

const request = (id: Json, method: string, params?: JsonObject) => ({ jsonrpc: "2.0", id, method, params });
const notification = (method: string, params?: JsonObject) => ({ jsonrpc: "2.0", method, params });

/** A client of MCP that has said hello. */
function mcpClient(hello: JsonObject = {}, options: Partial<RegistryOptions> = {}) {
  const it = daemonHooks({}, options);
  const [channel, ack] = it.hello(hello);
  const session = it.registry.get(ack.session_id as string)!;
  /** Sends frames and gives what comes back. */
  const say = async (...frames: unknown[]) => {
    for (const frame of frames) channel.say(frame);
    await settle();
    return channel.take();
  };
  const initialize = (more: JsonObject = {}) =>
    say(request(0, "initialize", { protocolVersion: "2025-11-25", capabilities: {}, ...more }));
  return { ...it, channel, session, say, initialize };
}

/** Code and message of the one error that came. */
function errorIn([answer]: JsonObject[]): [Json, string, Json] {
  const { code, message } = answer!.error as { code: number; message: string };
  return [code, message, answer!.id!];
}

Deno.test("what a request says of its client is kept: revision, capabilities, name, log level", async () => {
  const { session, initialize, say, calls } = mcpClient();
  assertEquals([session.revision, session.capabilities, session.client], [undefined, {}, undefined]);
  const clientInfo = { name: "zed", version: "1", title: "Zed" };
  await initialize({ protocolVersion: "2025-06-18", capabilities: { roots: {} }, clientInfo });
  assertEquals([session.revision, session.capabilities, session.client], ["2025-06-18", { roots: {} }, {
    name: "zed",
    version: "1",
  }]);
  await initialize({ protocolVersion: "1999", capabilities: [], clientInfo: 3 });
  assertEquals([session.revision, session.capabilities, session.client!.name], ["2025-11-25", {}, "zed"]);
  await say(request(1, "logging/setLevel", { level: "warning" }));
  assertEquals([session.logLevel, calls.at(-1)!.method], ["warning", "logging/setLevel"]);
  const [code, message] = errorIn(await say(request(2, "logging/setLevel", { level: "loud" })));
  assertEquals([code, session.logLevel], [-32602, "warning"]);
  assertStringIncludes(message, "debug, info, notice, warning");
});

Deno.test("what a client says of itself, and its tokens, may be so long", async () => {
  const { initialize, session, say } = mcpClient();
  const [code, message] = errorIn(await initialize({ clientInfo: { name: "x".repeat(70_000) } }));
  assertEquals([code, message], [-32602, "clientInfo and capabilities may hold 65536 characters at most"]);
  assertEquals(session.revision, undefined);
  const call = (progressToken: string) => say(request(1, "tools/call", { _meta: { progressToken } }));
  assertEquals((await call("x".repeat(1024)))[0]!.error, undefined);
  assertEquals(errorIn(await call("x".repeat(1025))).slice(0, 2), [
    -32602,
    "progressToken may hold 1024 characters at most",
  ]);
});

Deno.test("a progress token that is neither a text nor a number is refused, and null is none", async () => {
  const { say, calls } = mcpClient();
  const call = (progressToken: Json) => say(request(1, "tools/call", { _meta: { progressToken } }));
  for (const odd of [{}, [], true]) {
    const [code, message] = errorIn(await call(odd));
    assertEquals([code, message], [-32602, "progressToken must be a text or a number"]);
  }
  assertEquals(calls.length, 0);
  assertEquals((await call(null))[0]!.error, undefined);
  assertEquals(calls[0]!.progressToken, undefined);
});

Deno.test("a ping is answered by the session itself, and a call by its target", async () => {
  const { say, calls, session, daemon } = mcpClient();
  assertEquals(await say(request("p", "ping")), [{ jsonrpc: "2.0", id: "p", result: {} }]);
  assertEquals(calls.length, 0);
  daemon.answer = () => ({ result: textResult("done") });
  assertEquals(await say(request(1, "tools/call", { name: "t", _meta: { progressToken: 5 } })), [
    { jsonrpc: "2.0", id: 1, result: textResult("done") },
  ]);
  const [{ method, params, progressToken, caller }] = calls as [typeof calls[0]];
  assertEquals([method, params.name, progressToken, caller === session], ["tools/call", "t", 5, true]);
  assertEquals(session.callCount, 1);
  const seen: string[] = [];
  session.retryOverdueRoots = () => seen.push("roots");
  session.touch = () => seen.push("touch");
  await say(request(2, "tools/list"), notification("notifications/x"), request(5, "ping"));
  assertEquals(seen, ["touch", "roots", "touch", "touch"]);
  assertEquals([session.callCount, calls[1]!.params], [1, {}]);
  daemon.answer = () => Promise.reject(new ExaiError("TOOL_NOT_FOUND", "none"));
  assertEquals(errorIn(await say(request(3, "tools/call"))), [-32602, "none", 3]);
});

Deno.test("a message that is none is refused under its id where it has one, and the session goes on", async () => {
  const { say } = mcpClient();
  const refused = async (frame: unknown) => errorIn(await say(frame));
  assertEquals(await refused({ jsonrpc: "1.0", id: 3, method: "ping" }), [
    -32600,
    'jsonrpc must be "2.0"',
    3,
  ]);
  assertEquals((await refused({ jsonrpc: "2.0", id: {}, method: "ping" }))[2], null);
  assertEquals((await refused({ jsonrpc: "2.0", id: 1, method: 5 }))[1], "method must be a string");
  assertEquals(await say({ jsonrpc: "2.0", result: 5 }), [], "a response is never answered");
  assertEquals(await say({ jsonrpc: "2.0", id: 1, error: 5 }), []);
  assertEquals((await say({ jsonrpc: "2.0", id: 1, method: "m", params: 5, result: {} })).length, 1);
  assertEquals((await say(request(4, "ping")))[0]!.result, {});
});

Deno.test("a request under the id of a running call is refused, and the call goes on", async () => {
  const { say, daemon, session } = mcpClient({ resume: true });
  const held = Promise.withResolvers<{ result: JsonObject }>();
  daemon.answer = () => held.promise;
  await say(request(1, "tools/call"));
  for (const frame of [request(1, "ping"), { jsonrpc: "1.0", id: 1 }]) {
    const [code, , id] = errorIn(await say(frame));
    assertEquals([code, id], [-32600, 1]);
  }
  assertEquals([session.calls.has(1), session.callCount], [true, 1]);
  held.resolve({ result: { ok: true } });
  assertEquals(await say(), [{ jsonrpc: "2.0", id: 1, result: { ok: true } }]);
});

Deno.test("a cancelled request gets no answer, and its id is free again", async () => {
  const { say, daemon } = mcpClient();
  const seen: AbortSignal[] = [];
  daemon.answer = ({ signal }) => {
    seen.push(signal);
    return new Promise((_, reject) => signal.onabort = () => reject(signal.reason));
  };
  const cancel = (more: JsonObject = {}) =>
    notification("notifications/cancelled", { requestId: 1, ...more });
  assertEquals(await say(cancel()), [], "of what is not there");
  assertEquals(await say(request(1, "tools/call"), cancel({ reason: "enough" })), []);
  const { code, message } = seen[0]!.reason as ExaiError;
  assertEquals([code, message], ["CANCELLED", "the client cancelled the call: enough"]);
  await say(request(1, "tools/call"), cancel({ reason: 3 }));
  assertEquals((seen[1]!.reason as ExaiError).message, "the client cancelled the call: no reason given");
  daemon.answer = () => ({ result: {} });
  assertEquals((await say(request(1, "tools/call"))).length, 1);
});

Deno.test("a client whose time is up is told from a user who cancels, by the reasons that clients give", async () => {
  const { say, daemon } = mcpClient();
  const reasons: unknown[] = [];
  daemon.answer = ({ signal }) =>
    new Promise((_, reject) =>
      signal.onabort = () => {
        reasons.push(signal.reason);
        reject(signal.reason);
      }
    );
  const timeouts = [
    "McpError: MCP error -32001: Request timed out",
    "McpError: MCP error -32001: Maximum total timeout exceeded",
    "request timeout",
    "context deadline exceeded",
    "not answered in time",
  ];
  const others = [
    "AbortError: This operation was aborted",
    "User cancelled",
    "context canceled",
    "enough",
    undefined,
  ];
  for (const reason of [...timeouts, ...others]) {
    await say(request(1, "tools/call"), notification("notifications/cancelled", { requestId: 1, reason }));
  }
  const given = reasons.map((reason) => reason instanceof GivenUp && reason.why === "timed_out");
  assertEquals(given, [...timeouts.map(() => true), ...others.map(() => false)]);
});

Deno.test("what a call says reaches its client: progress, and what is as severe as it wants", async () => {
  const { say, daemon, initialize, session } = mcpClient();
  await initialize();
  daemon.answer = (call) => {
    call.notify("notifications/progress", { progressToken: 1, progress: 1 });
    for (const level of ["info", "error", "odd"]) call.notify("notifications/message", { level });
    return { result: {} };
  };
  const levels = (messages: JsonObject[]) =>
    messages.slice(0, -1).map(({ params }) => (params as JsonObject).level);
  assertEquals(levels(await say(request(1, "tools/call"))), [undefined, "info", "error", "odd"]);
  session.logLevel = "error";
  assertEquals(levels(await say(request(2, "tools/call"))), [undefined, "error"]);
  session.notify("notifications/message", { level: "info" });
  session.notify("notifications/message", { level: "critical" });
  session.notify("notifications/message");
  session.notify("notifications/x");
  assertEquals(await say(), [
    notification("notifications/message", { level: "critical" }),
    { jsonrpc: "2.0", method: "notifications/x" },
  ] as JsonObject[]);
});

Deno.test("progress is of use only now: a client that was away is not told of it afterwards", async () => {
  const { say, daemon, channel, session, hello } = mcpClient({ resume: true, session_id: "s" });
  let notify: (method: string, params: JsonObject) => void = () => {};
  daemon.answer = (call) => (notify = (...what) => call.notify(...what), new Promise(() => {}));
  await say(request(1, "tools/call"));
  channel.onclose!({ code: 1006, wasClean: false });
  notify("notifications/progress", { progress: 1 });
  notify("notifications/odd", { n: 1 });
  const [, ack, ...rest] = hello({ session_id: "s", resume: { token: session.resumeToken, waiting: [1] } });
  assertEquals(ack.unseen, []);
  assertEquals(rest, [notification("notifications/odd", { n: 1 })] as JsonObject[]);
});

Deno.test("a question reaches the client, and its answer, refusal or progress the call that asked", async () => {
  const { say, daemon, initialize } = mcpClient();
  await initialize();
  const progress: JsonObject[] = [];
  daemon.answer = async (call) =>
    await call.ask("sampling/createMessage", { a: 1 }, {
      onProgress: (params) => progress.push(valueOf(params)),
    });
  const [asked] = await say(request(1, "tools/call"));
  assertEquals([asked!.method, (asked!.params as JsonObject).a], ["sampling/createMessage", 1]);
  await say(notification("notifications/progress", { progressToken: asked!.id, progress: 2 }));
  assertEquals(progress.map(({ progress }) => progress), [2]);
  assertEquals(await say({ jsonrpc: "2.0", id: asked!.id, result: { model: "m" } }), [
    { jsonrpc: "2.0", id: 1, result: { model: "m" } },
  ]);
  const [second] = await say(request(2, "tools/call"));
  const [code, message] = errorIn(await say({ jsonrpc: "2.0", id: second!.id, result: 5 }));
  assertEquals(code, -32600);
  assertStringIncludes(message, "malformed: result must be an object");
});

Deno.test("the end of a session is the end of its questions", async () => {
  const { say, session, initialize, registry } = mcpClient();
  await initialize();
  const asked = session.ask("roots/list", {});
  assertEquals((await say())[0]!.method, "roots/list");
  registry.end(session, "enough");
  assertEquals(await asked.catch(({ message }) => message), "enough");
});

Deno.test("a notification that belongs to no call is handed on; roots that changed are asked for anew", async () => {
  const { say, notified, session, initialize } = mcpClient({ session_id: "s" });
  await initialize({ capabilities: { roots: {} } });
  const roots = session.roots();
  const [asked] = await say();
  await say({ jsonrpc: "2.0", id: asked!.id, result: { roots: [{ uri: "a:" }] } });
  assertEquals([(await roots)?.length, session.rootsState], [1, "known"]);
  await say(notification("notifications/initialized"), notification("notifications/odd", { n: 1 }));
  assertEquals(session.rootsState, "known");
  await say(notification("notifications/roots/list_changed"));
  assertEquals(session.rootsState, "unasked");
  assertEquals(notified, [
    ["s", "notifications/initialized", {}],
    ["s", "notifications/odd", { n: 1 }],
    ["s", "notifications/roots/list_changed", {}],
  ]);
  session.end("over");
  await say(notification("notifications/roots/list_changed"));
  assertEquals(notified.length, 3, "nobody is told of a session that is over");
});

Deno.test("roots that come late are told of as if they had changed", () => {
  const { session, notified } = mcpClient({ session_id: "s" });
  session.peer!.rootsChanged();
  assertEquals(notified, [["s", "notifications/roots/list_changed", {}]]);
});

Deno.test("a batch is taken of a client that has agreed on the revision that has them", async () => {
  const { say, initialize } = mcpClient();
  const batch = [request(1, "ping"), 3, request(2, "ping")];
  assertEquals(errorIn(await say(batch)).slice(0, 1), [-32600]);
  await initialize({ protocolVersion: "2025-03-26" });
  const answers = await say(batch);
  assertEquals(answers.map(({ id }) => id), [1, null, 2]);
  assertEquals(errorIn(answers.slice(1)), [-32600, "a message must be a JSON object", null]);
});

Deno.test("subscriptions are counted as long as the server has them", async () => {
  const { say, session, daemon } = mcpClient();
  const change = async (id: number, how: string, uri: Json) =>
    (await say(request(id, `resources/${how}`, { uri })))[0]!.error as JsonObject | undefined;
  assertEquals(await change(1, "subscribe", "a:1"), undefined);
  assertEquals((await change(2, "subscribe", 3))!.message, "uri must be a text");
  assertEquals((await change(2, "unsubscribe", 3))!.code, -32602);
  assertEquals((await change(3, "subscribe", "x".repeat(9000)))!.code, -32602);
  assertEquals(session.subscriptions.size, 1);
  daemon.answer = () => ({ error: { code: -32002, message: "none" } });
  await change(4, "subscribe", "a:2");
  assertEquals(session.subscriptions.size, 1, "what was refused does not count");
  await change(5, "subscribe", "a:1");
  await change(6, "unsubscribe", "a:1");
  assertEquals(session.subscriptions.size, 1, "what the server still has does");
  daemon.answer = () => ({ result: {} });
  await change(7, "subscribe", "a:1");
  assertEquals(session.subscriptions.size, 1);
  await change(8, "unsubscribe", "a:1");
  assertEquals(session.subscriptions.size, 0);
});

Deno.test("subscriptions that a shim repeats are told to have changed, those it asks for anew are not", async () => {
  const { say, initialize, daemon } = mcpClient();
  daemon.answer = ({ params }) =>
    params.uri === "a:no" ? { error: { code: -32002, message: "none" } } : { result: {} };
  await initialize({ _meta: { "exai/replay": { subscriptions: 2 } } });
  const told = async (id: number, uri: string) =>
    (await say(request(id, "resources/subscribe", { uri }))).filter(({ method }) => method);
  assertEquals(await told(1, "a:1"), [notification("notifications/resources/updated", { uri: "a:1" })]);
  assertEquals([await told(2, "a:no"), await told(3, "a:2")], [[], []]);
  await initialize();
  assertEquals(await told(4, "a:1"), [], "the client has begun itself");
});

Deno.test("what calls carry is bounded for all together, from a size that matters", async () => {
  const budget = new ByteBudget({ maxBytes: 40_000 });
  const { say, daemon } = mcpClient({}, { budget });
  const held = Promise.withResolvers<{ result: JsonObject }>();
  daemon.answer = () => held.promise;
  const call = (id: number, chars: number) => request(id, "tools/call", { a: "x".repeat(chars) });
  await say(call(1, 12_000), call(2, 3900));
  assertEquals(budget.bytes > 12_000 && budget.bytes < 12_200, true, "small ones are not counted");
  const refused = await say(call(3, 12_000));
  const { code, message, data } = refused[0]!.error as { code: number; message: string; data: JsonObject };
  assertEquals([code, data.retry_after_ms], [-31010, 1000]);
  assertStringIncludes(message, "EXAI_MAX_HELD_BYTES");
  held.resolve({ result: {} });
  await say();
  assertEquals(budget.bytes, 0);
  assertEquals((await say(call(4, 12_000)))[0]!.error, undefined);
});

Deno.test("only what must not be done twice is noted as begun, and what is cancelled is forgotten", async () => {
  const told: string[] = [];
  const journal = {
    open: () => ({
      begin: (id: number) => (told.push(`begin ${id}`), { id }),
      finish: ({ id }: { id: number }) => told.push(`finish ${id}`),
      forget: ({ id }: { id: number }) => told.push(`forget ${id}`),
      dropAnswer: () => {},
      close: () => told.push("close"),
      release: () => told.push("release"),
    }),
    recover: () => undefined,
  };
  const { say, daemon, channel } = mcpClient({ resume: true }, { journal: journal as never });
  daemon.answer = (call) => (call.begin?.(), { result: {} });
  await say(request(1, "tools/call"), request(2, "resources/read"));
  assertEquals(told.splice(0), ["begin 1", "finish 1"]);
  daemon.answer = (call) => (call.begin?.(), new Promise((_, reject) => call.signal.onabort = reject));
  await say(request(3, "tools/call"), notification("notifications/cancelled", { requestId: 3 }));
  assertEquals(told.splice(0), ["begin 3", "forget 3"]);
  await say(request(4, "tools/call"), { jsonrpc: "1.0", id: 4, method: "ping" });
  assertEquals(told.splice(0), ["begin 4"], "the refusal of another message is not its answer");
  channel.onclose!({ code: 1000, wasClean: true });
  assertEquals(told, ["close"], "a client that says goodbye asks for nothing any more");
});
