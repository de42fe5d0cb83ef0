import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { ByteBudget } from "../lib/base/byte_budget.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { type HttpSessionOptions, openHttpSession } from "../lib/session/http_session.ts";
import type { RegistryOptions } from "../lib/session/registry.ts";
import { textResult } from "../lib/wire/mcp.ts";
import { readRawMessage } from "../lib/wire/raw_message.ts";
import { FakeClock } from "./helpers/fake_clock.ts";
import { daemonHooks, settle } from "./helpers/memory_channel.ts";

const request = (id: number, method: string, params: JsonObject = {}) => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});
const INITIALIZE = request(0, "initialize", {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "web", version: "1" },
});

/** A client of Streamable HTTP without a network between. */
async function httpClient(options: Partial<HttpSessionOptions> = {}, limits: Partial<RegistryOptions> = {}) {
  const it = daemonHooks({}, limits);
  const transport = openHttpSession(it.hooks, {
    principal: { id: "owner", isOwner: true },
    maxQueuedBytes: 1_000_000,
    ...options,
  });
  await transport.start();
  const accept = "application/json, text/event-stream";
  /** The response to one request of HTTP. */
  const send = async (method: string, body?: JsonObject, more: Record<string, string> = {}) => {
    const headers: Record<string, string> = { accept, "content-type": "application/json", ...more };
    if (transport.sessionId !== undefined) {
      headers["mcp-session-id"] = transport.sessionId;
      headers["mcp-protocol-version"] = "2025-11-25";
    }
    const http = new Request("http://127.0.0.1/mcp", {
      method,
      headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const messages = body && [readRawMessage(JSON.stringify(body), { depth: 99, members: 999 })!];
    return await transport.handle(http, { messages, bodyBytes: 10, completed: new Promise(() => {}) });
  };
  /** The messages that come in answer to one that is posted. */
  const post = async (body: JsonObject) => messagesIn(await (await send("POST", body)).text());
  return { ...it, transport, send, post, session: () => [...it.registry][0] };
}

function messagesIn(text: string): JsonObject[] {
  return text.split("\n").filter((line) => /^data: ./.test(line)).map((line) => JSON.parse(line.slice(6)));
}

Deno.test("a session over HTTP begins with a valid initialize and is shown under another id than its client's", async () => {
  const { post, session, transport, registry } = await httpClient({
    server: "files",
    cwd: "/work",
    via: ["d1"],
  });
  assertEquals([registry.size, transport.sessionId], [0, undefined]);
  const [answer] = await post(INITIALIZE);
  assertEquals([answer!.id, answer!.error], [0, undefined]);
  const {
    id,
    client,
    server,
    cwd,
    via,
    principal,
    namedDirs,
    isResumable,
    isConnected,
  } = session()!;
  assertMatch(id, /^http-[0-9a-f]{8}$/);
  assertNotEquals(id, transport.sessionId);
  assertEquals([client?.name, server, cwd, via, principal, namedDirs, isResumable, isConnected], [
    "web",
    "files",
    "/work",
    ["d1"],
    "owner",
    "start",
    false,
    true,
  ]);
  const other = await httpClient({ principal: { id: "x", isOwner: false }, cwd: "/work" });
  await other.post(INITIALIZE);
  assertEquals([other.session()!.namedDirs, other.session()!.cwd, other.session()!.principal], [
    "none",
    undefined,
    "x",
  ]);
});

Deno.test("what a call says comes down its own stream, before its answer", async () => {
  const { post, daemon, session, calls } = await httpClient();
  await post(INITIALIZE);
  daemon.answer = (call) => {
    call.begin?.();
    call.notify("notifications/progress", { progressToken: 1, progress: 1 });
    return { result: textResult("done") };
  };
  const [progress, answer] = await post(request(1, "tools/call", { name: "t" }));
  assertEquals([progress!.method, answer!.id, answer!.result], [
    "notifications/progress",
    1,
    textResult("done"),
  ]);
  assertEquals(calls.at(-1)!.method, "tools/call");
  assertEquals([session()!.bytesIn, session()!.bytesOut > 0], [20, true]);
});

Deno.test("a client that could not initialize begins anew; what is refused later ends nothing", async () => {
  const failed = await httpClient();
  failed.daemon.answer = () => Promise.reject(new Error("no"));
  const [refusal] = await failed.post(INITIALIZE);
  await settle();
  assertEquals([typeof refusal!.error, failed.registry.size], ["object", 0]);
  const { post, daemon, registry } = await httpClient();
  await post(INITIALIZE);
  daemon.answer = () => Promise.reject(new Error("no"));
  for (const id of [0, 1]) {
    const [error] = await post(request(id, "tools/call"));
    assertEquals([error!.id, typeof error!.error], [id, "object"]);
    await settle();
    assertEquals(registry.size, 1);
  }
});

Deno.test("an answer too large is replaced by why, and a message too large by a notice", async () => {
  const { post, daemon, session } = await httpClient({}, { maxFrameBytes: 500 });
  await post(INITIALIZE);
  const large = "x".repeat(600);
  daemon.answer = (call) => {
    call.notify("notifications/odd", { large });
    return { result: textResult(large) };
  };
  const [notice, answer] = await post(request(1, "tools/call"));
  assertEquals([notice!.method, (notice!.params as JsonObject).level], ["notifications/message", "error"]);
  assertStringIncludes(JSON.stringify(answer!.error), "TOO_LARGE");
  daemon.answer = async (call) => await call.ask("sampling/createMessage", { large });
  const asked = await post(request(2, "tools/call"));
  assertStringIncludes(
    JSON.stringify(asked.at(-1)!.error),
    "TOO_LARGE",
    "who asked is told that it did not arrive",
  );
  assertEquals(session()!.isConnected, true);
});

Deno.test("a cancelled request ends its stream without an answer", async () => {
  const { post, send, daemon } = await httpClient();
  await post(INITIALIZE);
  daemon.answer = ({ signal }) => new Promise((_, reject) => signal.onabort = () => reject(signal.reason));
  const running = post(request(1, "tools/call"));
  await settle();
  const params = { requestId: 1 };
  const { status, body } = await send("POST", { jsonrpc: "2.0", method: "notifications/cancelled", params });
  assertEquals([status, body, await running], [202, null, []]);
});

Deno.test("a message that is refused under the id of a running call leaves that call its stream", async () => {
  const { post, send, daemon } = await httpClient();
  await post(INITIALIZE);
  const held = Promise.withResolvers<{ result: JsonObject }>();
  daemon.answer = () => held.promise;
  const running = post(request(1, "tools/call"));
  await settle();
  const refused = await (await send("POST", request(1, "tools/call"))).json();
  assertStringIncludes(JSON.stringify(refused), "1 is already in use");
  held.resolve({ result: { ok: true } });
  assertEquals((await running).map(({ result }) => result), [{ ok: true }]);
});

Deno.test("client and daemon may each end the session, and the other end with it", async () => {
  const { post, send, registry, notified, transport, session } = await httpClient();
  await post(INITIALIZE);
  const first = session()!;
  await send("POST", { jsonrpc: "2.0", method: "notifications/odd", params: { n: 1 } });
  assertEquals(notified, [[first.id, "notifications/odd", { n: 1 }]]);
  await send("DELETE");
  assertEquals([registry.size, first.ended.reason.message], [0, "the client ended its session"]);
  await transport.closed;
  for (const end of ["end", "close"] as const) {
    const other = await httpClient();
    await other.post(INITIALIZE);
    if (end === "end") other.registry.end(other.session()!, "enough");
    else other.session()!.output.close(1001, "idle");
    await other.transport.closed;
    assertEquals(other.registry.size, 0);
  }
});

Deno.test("a client that listens is there although it sends nothing", async () => {
  using clock = new FakeClock();
  const { post, send, registry, session } = await httpClient({}, { idleMs: 60_000 });
  await post(INITIALIZE);
  const stream = await send("GET");
  await clock.pass(120_000);
  assertEquals(registry.size, 1);
  session()!.notify("notifications/tools/list_changed");
  const reader = stream.body!.getReader();
  let text = "";
  while (!text.includes("list_changed")) text += new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  await clock.pass(120_000);
  assertEquals(registry.size, 0);
  registry[Symbol.dispose]();
});

Deno.test("a client that reads only the streams of its requests is asked for its roots on one of these", async () => {
  for (const isAskedBefore of [true, false]) {
    const { send, post, session, daemon } = await httpClient();
    await post({ ...INITIALIZE, params: { ...INITIALIZE.params, capabilities: { roots: {} } } });
    await send("POST", { jsonrpc: "2.0", method: "notifications/initialized" });
    if (isAskedBefore) session()!.roots().catch(() => {});
    await settle();
    daemon.answer = async () => ({ result: { content: [], roots: [...(await session()!.roots())!] } });
    const stream = await send("POST", request(1, "tools/call", { name: "where" }));
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("roots/list")) text += (await reader.read()).value;
    const asked = messagesIn(text).find(({ method }) => method === "roots/list");
    const roots = [{ uri: "file:///w" }];
    await send("POST", { jsonrpc: "2.0", id: asked!.id, result: { roots } });
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += value;
    }
    assertEquals(messagesIn(text).at(-1)!.result, { content: [], roots });
  }
});

const PAY = { message: "pay?", requestedSchema: { type: "object", properties: {} } };

/** A client that can be asked; `ask` resolves with the code of the error that its asker gets. */
async function askedClient(limits: Partial<RegistryOptions> = {}) {
  const it = await httpClient({}, limits);
  await it.post({ ...INITIALIZE, params: { ...INITIALIZE.params, capabilities: { elicitation: {} } } });
  await it.send("POST", { jsonrpc: "2.0", method: "notifications/initialized" });
  const ask = (signal?: AbortSignal) =>
    it.session()!.ask("elicitation/create", PAY, { signal }).then(() => "answered", ({ code }) => code);
  /** Has calls go on until `end` is called. */
  const hold = () => {
    const held = Promise.withResolvers<{ result: JsonObject }>();
    it.daemon.answer = () => held.promise;
    return () => held.resolve({ result: { content: [] } });
  };
  return { ...it, ask, hold };
}

Deno.test("a question that is withdrawn while the client reads no stream is not put to it later", async () => {
  const { post, ask, hold } = await askedClient();
  const controller = new AbortController();
  const asker = ask(controller.signal);
  controller.abort();
  assertEquals(await asker, "CANCELLED");
  const end = hold();
  const messages = post(request(1, "tools/call", { name: "t" }));
  await settle();
  end();
  assertEquals((await messages).map(({ id }) => id), [1]);
});

Deno.test("a question waits for a stream that is read, and takes none that was cut", async () => {
  const { send, post, ask, hold, session } = await askedClient();
  const endFirst = hold();
  await (await send("POST", request(1, "tools/call", { name: "t" }))).body!.cancel();
  void ask();
  await settle();
  const end = hold();
  const messages = post(request(2, "tools/call", { name: "t" }));
  await settle();
  endFirst();
  end();
  assertEquals((await messages).map(({ id, method }) => method ?? id), ["elicitation/create", 2]);
  session()!.output.close(1001, "over");
});

Deno.test("the stream of a request that is resumed is not taken for the standalone one", async () => {
  const { send, post, ask, hold, session, transport } = await askedClient();
  const end = hold();
  const cut = (await send("POST", request(1, "tools/call", { name: "t" }))).body!.getReader();
  const lastEventId = /^id: (.*)$/m.exec(new TextDecoder().decode((await cut.read()).value))![1]!;
  await cut.cancel();
  const resumed = await send("GET", undefined, { "last-event-id": lastEventId });
  assertEquals([transport.listening, transport.isReading], [false, true]);
  void ask();
  await settle();
  const messages = post(request(2, "tools/call", { name: "t" }));
  await settle();
  end();
  assertEquals((await messages).map(({ id, method }) => method ?? id), ["elicitation/create", 2]);
  assertEquals(messagesIn(await resumed.text()).map(({ id }) => id), [1]);
  session()!.output.close(1001, "over");
});

Deno.test("a question goes on the standalone stream where there is one, and not on that of a request", async () => {
  const { send, post, ask, hold, session } = await askedClient();
  const stream = await send("GET");
  const end = hold();
  const messages = post(request(1, "tools/call", { name: "t" }));
  await settle();
  void ask();
  await settle();
  end();
  assertEquals((await messages).map(({ id }) => id), [1]);
  const text = stream.body!.pipeThrough(new TextDecoderStream());
  session()!.output.close(1001, "over");
  assertStringIncludes((await Array.fromAsync(text)).join(""), "elicitation/create");
});

Deno.test("what waits to be asked counts as held for clients, and makes room where that is too much", async () => {
  const budget = new ByteBudget({ maxBytes: 10_000 });
  const { ask } = await askedClient({ budget });
  const before = budget.bytes;
  const asker = ask();
  await settle();
  assertEquals(budget.bytes - before > 100, true);
  budget.open(undefined).add(10_000);
  assertEquals(await asker, "OVER_CAPACITY");
});

Deno.test("of many questions that wait the oldest is left out, and its asker told", async () => {
  const { ask, session } = await askedClient();
  const askers = Array.from({ length: 66 }, () => ask());
  assertEquals(await Promise.all(askers.slice(0, 2)), ["OVER_CAPACITY", "OVER_CAPACITY"]);
  assertEquals(await Promise.race([askers[2], settle()]), undefined);
  session()!.output.close(1001, "over");
});
