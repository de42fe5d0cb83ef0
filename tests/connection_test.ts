import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ByteBudget } from "../lib/base/byte_budget.ts";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { AttachHooks } from "../lib/session/hello.ts";
import type { RegistryOptions } from "../lib/session/registry.ts";
import { textResult } from "../lib/wire/mcp.ts";
import { liveHeapBytes } from "./helpers/gc.ts";
import { daemonHooks, settle } from "./helpers/memory_channel.ts";
import { until } from "./helpers/until.ts";

/** A client that has said hello, and what comes back for what it sends. */
function client(
  hello: JsonObject = {},
  { hooks, options }: { hooks?: Partial<AttachHooks>; options?: Partial<RegistryOptions> } = {},
) {
  const it = daemonHooks(hooks, options);
  const [channel, ack] = it.hello(hello);
  const say = async (...frames: unknown[]) => {
    for (const frame of frames) channel.say(frame);
    await settle();
    return channel.take();
  };
  return { ...it, channel, say, session: it.registry.get(ack.session_id as string)! };
}

const ping = (id: number) => ({ jsonrpc: "2.0", id, method: "ping" });
const tool = (request_id: unknown, more: JsonObject = {}) => ({
  op: "call_tool",
  request_id,
  name: "t",
  ...more,
});

Deno.test("a frame that is no message is answered with what one may be, and the session goes on", async () => {
  const { say, channel } = client();
  const refused = async (frame: unknown) => {
    const [{ op, code, message, request_id }] = await say(frame) as [JsonObject];
    assertEquals([op, code], ["error", "INVALID_REQUEST"]);
    return [message, request_id];
  };
  assertStringIncludes(String((await refused("{"))[0]), "this one is no JSON");
  for (const frame of ["3", "null", "[]", '[{"op":"health"}]']) {
    assertEquals((await refused(frame))[0], "a frame must hold one JSON object", frame);
  }
  channel.onbadframe!("a frame must be text");
  assertEquals(channel.take()[0]!.message, "a frame must be text");
  assertEquals(
    (await refused(`{"x":${"[".repeat(5000)}`))[0],
    "a message may be nested 512 levels deep at most",
  );
  const deep = `${"[".repeat(600)}${"]".repeat(600)}`.padEnd(5000);
  assertEquals(await refused(deep), ["a message may be nested 512 levels deep at most", undefined]);
  assertEquals((await refused(`{"op":"call_tool","request_id":7,"x":${deep}}`))[1], 7);
  const [answer] = await say(`{"jsonrpc":"2.0","id":8,"method":"m","params":{"x":${deep}}}`);
  assertEquals([answer!.id, (answer!.error as JsonObject).code], [8, -32600]);
  const [batch] = await say([ping(1)]);
  assertStringIncludes(
    String((batch!.error as JsonObject).message),
    "2025-03-26",
    "MCP refuses it, not the ops",
  );
  assertEquals((await say(ping(9)))[0]!.result, {});
});

Deno.test("frames hold several messages where the client asked for that, and one where it did not", async () => {
  const lines = [1, 2].map((id) => JSON.stringify(ping(id))).join("\n");
  const { say, channel } = client({ lines: true });
  channel.say(lines);
  await settle();
  assertEquals(channel.frames.length, 1, "answers of one turn go in one frame");
  assertEquals(channel.take().map(({ id }) => id), [1, 2]);
  const mixed = await say(`${JSON.stringify(ping(1))}\n{\n${JSON.stringify(ping(2))}`);
  assertEquals(mixed.map(({ id, op }) => id ?? op), [1, "error", 2]);
  const many = await say(Array(1001).fill(JSON.stringify({ op: "cancel", request_id: 1 })).join("\n"));
  assertEquals(many.map(({ message }) => message), ["a frame may hold at most 1000 messages"]);
  const plain = client();
  assertEquals((await plain.say(lines)).map(({ op }) => op), ["error"]);
});

Deno.test("a call that takes long keeps no more of its frame in memory than its own message", async () => {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const target = () => over.then(() => ({ result: textResult("done") }));
  const { say, session } = client({ lines: true }, { hooks: { target } });
  const before = await liveHeapBytes();
  for (let id = 1; id <= 10; id++) {
    const call = { jsonrpc: "2.0", id, method: "tools/call", params: { name: "t" } };
    await say(`${"x".repeat(2_000_000 + id)}\n${JSON.stringify(call)}\n`);
  }
  assertEquals(session.calls.size, 10);
  assert(await liveHeapBytes() - before < 5_000_000);
  resolve();
  await settle();
});

Deno.test("a connection that is closed sends first what it has to say", async () => {
  const { session, channel } = client({ lines: true, resume: true });
  session.output.sendTransient('{"last":1}');
  session.output.close(4008, "why");
  assertEquals([channel.take(), channel.closed], [[{ last: 1 }], [4008, "why"]]);
  await settle();
  assertEquals(channel.frames, []);
});

Deno.test("a client that asked for it is nudged, and told how much of what it sent has come", async () => {
  const nudged = client({ nudge: true });
  nudged.channel.say({ op: "cancel", request_id: 1 });
  await until("the nudge", () => nudged.channel.frames.length > 0 || undefined);
  assertEquals(nudged.channel.take(), [{ op: "nudge" }]);
  const plain = client();
  plain.channel.say({ op: "cancel", request_id: 1 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(plain.channel.take(), []);
  const { say, session } = client({ receipts: true });
  const text = { jsonrpc: "2.0", method: "notifications/x", params: { x: "x".repeat(150_000) } };
  assertEquals(await say({ op: "cancel", request_id: 1 }, text), []);
  assertEquals(await say(text), [{ op: "received", messages: 2 }], "messages of MCP are counted");
  assertEquals(session.receivedCount, 2);
  const deep = `{"jsonrpc":"2.0","method":"notifications/x","params":${"[".repeat(3000)}${"]".repeat(3000)}}`;
  await say(deep, [ping(1)], { jsonrpc: "2.0" }, { odd: 1 }, "no JSON");
  assertEquals(session.receivedCount, 7, "what is refused has come as well");
  assertEquals((await client().say(text, text)).length, 0);
});

Deno.test("a session knows how much went over its connections", async () => {
  const { say, session, channel, hello } = client({ resume: true, session_id: "s" });
  const [in0, out0] = [session.bytesIn, session.bytesOut];
  assertEquals([in0, out0], [0, 0]);
  await say(ping(1));
  await say(ping(2));
  const size = JSON.stringify(ping(1)).length;
  assertEquals(session.bytesIn, 2 * size);
  channel.onclose!({ code: 1006, wasClean: false });
  assertEquals(session.bytesOut, 2 * '{"jsonrpc":"2.0","id":1,"result":{}}'.length);
  const [second] = hello({ session_id: "s", resume: { token: session.resumeToken } });
  second.say(ping(3));
  assertEquals(session.bytesIn, 3 * size);
});

Deno.test("a client that says goodbye ends its session; one that was cut off may come back", () => {
  const left = (code: number, clean: boolean, resume: boolean) => {
    const { channel, registry, session } = client({ resume });
    channel.onclose!({ code, wasClean: clean });
    if (clean && code < 1005) {
      assertEquals(session.ended.reason.message, "the client closed the connection");
    }
    return registry.size === 0;
  };
  assertEquals([left(1000, true, true), left(1001, true, true)], [true, true]);
  assertEquals([left(1006, false, true), left(1000, false, true), left(4000, true, true)], [
    false,
    false,
    false,
  ]);
  // A connection that ends without a close frame looks like one whose frame has no code.
  assertEquals([left(1005, true, true), left(1005, true, false), left(1006, false, false)], [
    false,
    true,
    true,
  ]);
});

Deno.test("the end of a connection that was replaced ends nothing", () => {
  const { channel, session, hello, registry } = client({ resume: true, session_id: "s" });
  hello({ session_id: "s", resume: { token: session.resumeToken } });
  channel.onclose!({ code: 1000, wasClean: true });
  assertEquals([registry.size, session.isConnected], [1, true]);
});

Deno.test("whatever is wrong with the handling of one frame, the client is told and the next is handled", async () => {
  const { say, session } = client();
  session.touch = () => {
    throw new Error("odd");
  };
  const [error] = await say({ op: "health" });
  assertEquals([error!.op, error!.code, error!.message], ["error", "INTERNAL", "odd"]);
  assertEquals((await say(ping(1)))[0]!.error, { code: -32603, message: "odd", data: { code: "INTERNAL" } });
  delete (session as Partial<typeof session>).touch;
  assertEquals((await say(ping(1)))[0]!.result, {});
});

Deno.test("a frame whose handling fails in the middle is answered, and the next is handled", async () => {
  const { say, channel } = client({ receipts: true });
  const send = channel.send.bind(channel);
  const large = { jsonrpc: "2.0", method: "notifications/x", params: { x: "x".repeat(300_000) } };
  channel.send = (text) => {
    channel.send = send;
    throw new Error(`cannot send ${text.length} characters`);
  };
  const [error, answer] = await say(large, ping(1));
  assertMatch(String(error!.message), /^the frame could not be handled: cannot send \d+ characters$/);
  assertEquals([error!.code, answer!.id], ["INVALID_REQUEST", 1]);
});

Deno.test("a question put before a cut is answered after it", async () => {
  const { say, channel, session, hello } = client({ resume: true, session_id: "s" });
  await say({ jsonrpc: "2.0", id: 0, method: "initialize", params: { protocolVersion: "2025-11-25" } });
  const asked = session.ask("roots/list", {});
  const [{ id }] = await say() as [JsonObject];
  channel.onclose!({ code: 1006, wasClean: false });
  const [back] = hello({ session_id: "s", resume: { token: session.resumeToken } });
  back.say({ jsonrpc: "2.0", id, result: { roots: [] } });
  assertEquals((await asked).result, { roots: [] });
});

Deno.test("the ops of a client: tools, health, token, and what is said too late", async () => {
  const rotated: string[] = [];
  const hooks = {
    rotateToken: (
      ...tokens: [string, string]
    ) => (rotated.push(...tokens), Promise.resolve(tokens[0] === "old")),
  };
  const { say, daemon, calls } = client({}, { hooks });
  daemon.answer = ({ params }) =>
    params.cursor === undefined
      ? { result: { tools: [{ name: "a" }], nextCursor: "2" } }
      : { result: { tools: [{ name: "b" }] } };
  assertEquals(await say({ op: "list_tools" }), [
    { op: "list_tools_res", tools: [{ name: "a" }, { name: "b" }] },
  ]);
  assertEquals(calls.map(({ method }) => method), ["tools/list", "tools/list"]);
  const { answer } = daemon;
  daemon.answer = () => new Promise(() => {});
  assertEquals(await say({ jsonrpc: "2.0", id: 2, method: "tools/call" }), []);
  daemon.answer = answer;
  assertEquals(
    (await say({ op: "list_tools" }))[0]!.op,
    "list_tools_res",
    "its requests have ids of their own",
  );
  daemon.answer = () => ({ error: { code: 1, message: "no lists" } });
  const [failed] = await say({ op: "list_tools" });
  assertEquals([failed!.code, failed!.message], ["INTERNAL", "tools/list: no lists"]);
  assertEquals(await say({ op: "health" }), [{ op: "health_res", ok: true, health: { status: "ok" } }]);
  assertEquals(await say({ op: "rotate_token", old: "old", new: "next" }), [{
    op: "rotate_token_res",
    ok: true,
  }]);
  assertEquals(await say({ op: "rotate_token", old: "odd", new: "next" }), [
    { op: "rotate_token_res", ok: false, error: "unauthorized" },
  ]);
  assertEquals(rotated, ["old", "next", "odd", "next"]);
  const late = [{ op: "hello" }, { op: "challenge", nonce: "a".repeat(43) }, {
    op: "request",
    method: "GET",
    path: "/",
  }];
  const answers = (await Promise.all(late.map((frame) => say(frame)))).flat();
  assertEquals(answers.map(({ op, code }) => [op, code]), Array(3).fill(["error", "INVALID_REQUEST"]));
  const messages = answers.map(({ message }) => String(message));
  assertMatch(messages[0]!, /has said hello already/);
  assertMatch(messages[1]!, /^challenge is said in front of a hello/);
  assertMatch(messages[2]!, /^request is said in front of a hello/);
  const [unknown] = await say({ op: "odd", request_id: 3 });
  assertEquals([unknown!.code, unknown!.request_id], ["UNKNOWN_OP", 3]);
  assertEquals((await say({ op: "odd", request_id: {} }))[0]!.request_id, undefined);
  assertEquals((await say({ op: "odd", request_id: "x" }))[0]!.request_id, "x");
});

Deno.test("a tool called by op is answered once under its request_id, progress before it", async () => {
  const { say, daemon, calls, session } = client();
  daemon.answer = (call) => {
    call.notify("notifications/progress", { progressToken: "p", progress: 1, total: 2, message: "half" });
    call.notify("notifications/message", { level: "info" });
    return { result: { ...textResult("done"), structuredContent: { n: 1 } } };
  };
  assertEquals(await say(tool("p", { arguments: { a: 1 }, timeout_ms: 9 })), [
    { op: "progress", request_id: "p", progress: 1, total: 2, message: "half" },
    { op: "call_tool_res", request_id: "p", outputs: textResult("done").content, structured: { n: 1 } },
  ]);
  const [{ method, params, progressToken, timeoutMs }] = calls as [typeof calls[0]];
  assertEquals([method, params, progressToken, timeoutMs], [
    "tools/call",
    { name: "t", arguments: { a: 1 }, _meta: { progressToken: "p" } },
    "p",
    9,
  ]);
  assertEquals(session.callCount, 1);
  daemon.answer = () => ({ result: textResult("no", { isError: true }) });
  assertEquals(await say(tool(2)), [
    { op: "call_tool_res", request_id: 2, outputs: textResult("no").content, is_error: true },
  ]);
  assertEquals(calls.at(-1)!.params.arguments, {});
  daemon.answer = () => ({ result: {} });
  assertEquals(await say(tool(3)), [{ op: "call_tool_res", request_id: 3, outputs: [] }]);
  daemon.answer = () => Promise.reject(new ExaiError("OVER_CAPACITY", "full", { retryAfterMs: 5 }));
  assertEquals(await say(tool(4)), [
    {
      op: "call_tool_res",
      request_id: 4,
      error: { code: "OVER_CAPACITY", message: "full", retry_after_ms: 5 },
    },
  ]);
  daemon.answer = async (call) => await call.ask("elicitation/create", {});
  const [asked] = await say(tool(5));
  assertEquals((asked!.error as JsonObject).code, "METHOD_NOT_FOUND");
  assertStringIncludes(String((asked!.error as JsonObject).message), "use MCP");
});

Deno.test("a call by op is cancelled by its id, which is none of MCP's", async () => {
  const { say, daemon } = client();
  daemon.answer = ({ signal }) => new Promise((_, reject) => signal.onabort = () => reject(signal.reason));
  assertEquals(await say(tool(1), { jsonrpc: "2.0", id: 1, method: "tools/call" }), []);
  assertEquals(await say({ op: "cancel", request_id: 1 }), [
    {
      op: "call_tool_res",
      request_id: 1,
      error: { code: "CANCELLED", message: "the client cancelled the call" },
    },
  ]);
  assertEquals(await say({ op: "cancel", request_id: 1 }), [], "one that comes too late says nothing");
});

Deno.test("answers are confirmed by count, and kept until they are", async () => {
  const { say, session } = client({ resume: true, receipts: true });
  await say({ jsonrpc: "2.0", id: 0, method: "initialize", params: { protocolVersion: "2025-11-25" } });
  await say(ping(1), ping(2));
  session.notify("notifications/x");
  await say({ op: "received", answers: 2 });
  assertEquals([session.output.hasResponse(1), session.output.hasResponse(2), session.output.messagesBase], [
    false,
    true,
    0,
  ]);
  await say({ op: "received", answers: 3, posts: 1 });
  assertEquals([session.output.hasResponse(2), session.output.messagesBase], [false, 1]);
  await say({ jsonrpc: "2.0", id: {}, method: "ping" }, ping(3), { op: "received", answers: 4 });
  assertEquals(session.output.hasResponse(3), false, "what answers no request is not counted");
});

Deno.test("an answer too large for one message is replaced by why, under the id that waits for it", async () => {
  const { say, daemon, session } = client({}, { options: { maxFrameBytes: 500 } });
  const large = "x".repeat(600);
  daemon.answer = () => ({ result: textResult(large) });
  const [op] = await say(tool(1));
  assertEquals([op!.op, op!.request_id, (op!.error as JsonObject).code], ["call_tool_res", 1, "TOO_LARGE"]);
  const [rpc] = await say({ jsonrpc: "2.0", id: 2, method: "tools/call" });
  assertEquals([rpc!.id, ((rpc!.error as JsonObject).data as JsonObject).code], [2, "TOO_LARGE"]);
  daemon.answer = () => ({ result: { tools: [{ name: large }] } });
  const [list] = await say({ op: "list_tools" });
  assertEquals([list!.op, list!.code], ["error", "TOO_LARGE"]);
  session.revision = "2025-11-25";
  session.notify("notifications/x", { large });
  const asked = session.ask("m", { large }).catch(({ code }) => code);
  const notices = await say();
  for (const { jsonrpc, method, params } of notices) {
    assertEquals(jsonrpc, "2.0");
    const { level, logger, data } = params as JsonObject;
    assertEquals([method, level, logger], ["notifications/message", "error", "exai"]);
    assertStringIncludes(String(data), "EXAI_WS_MAX_BYTES");
  }
  assertEquals([notices.length, await asked], [2, "TOO_LARGE"]);
});

Deno.test("what ops carry is bounded with what all calls carry", async () => {
  const budget = new ByteBudget({ maxBytes: 40_000 });
  const { say, daemon } = client({}, { options: { budget } });
  const held = Promise.withResolvers<{ result: JsonObject }>();
  daemon.answer = () => held.promise;
  const call = (id: number, chars: number) => tool(id, { arguments: { x: "x".repeat(chars) } });
  await say(call(1, 12_000), call(2, 3900));
  assertEquals(budget.bytes > 12_000 && budget.bytes < 12_200, true);
  const [refused] = await say(call(3, 12_000));
  assertEquals([refused!.op, refused!.code, refused!.request_id], ["error", "OVER_CAPACITY", 3]);
  held.resolve({ result: {} });
  await say();
  assertEquals(budget.bytes, 0);
});
