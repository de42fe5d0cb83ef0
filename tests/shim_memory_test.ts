import { assertEquals, assertRejects } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { ResponseCache } from "../lib/shim/response_cache.ts";
import { ClientState } from "../lib/shim/client_state.ts";
import { type PendingMessage, PendingMessages, type PendingRequest } from "../lib/shim/pending_messages.ts";
import { ReplayState } from "../lib/shim/replay_state.ts";
import { ShimRequests } from "../lib/shim/shim_requests.ts";
import { afterRestart, afterResume, atRestart } from "../lib/shim/recovery.ts";
import { refreshLists, replayHandshake } from "../lib/shim/replay.ts";
import { peek, type PeekedResponse } from "../lib/wire/peek.ts";
import { CapturedLog } from "./helpers/captured_log.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

function request(id: string | number, parts: Partial<PendingRequest> = {}): PendingRequest {
  const method = parts.method ?? "tools/call";
  const text = JSON.stringify({ jsonrpc: "2.0", id, method, params: { name: "acts" } });
  return { kind: "request", id, method, text, bytes: 10, isSent: true, sends: 1, ...parts };
}

function notification(parts: Partial<PendingMessage> = {}): PendingMessage {
  return { kind: "notification", method: "notifications/x", text: "{}", bytes: 3, isSent: true, ...parts };
}

function answered(result: JsonObject) {
  const text = JSON.stringify({ jsonrpc: "2.0", id: 1, result });
  return { text, response: peek(text) as PeekedResponse };
}

Deno.test("a ledger says what it holds, of requests and of the rest", () => {
  const ledger = new PendingMessages();
  const first = request(1);
  ledger.add(first);
  ledger.add(request("1"));
  ledger.add(notification());
  assertEquals([ledger.requestBytes, ledger.otherBytes, ledger.requestCount], [20, 3, 2]);
  assertEquals([ledger.has(1), ledger.has(2), ledger.get(1) === first], [true, false, true]);
  assertEquals([ledger.remove(first), ledger.remove(first)], [true, false]);
  assertEquals([ledger.requestBytes, ledger.otherBytes, ledger.requestCount], [10, 3, 1]);
  assertEquals([ledger.take("1")?.id, ledger.take("1"), [...ledger].length], ["1", undefined, 1]);
  const [rest] = ledger;
  assertEquals([ledger.remove(rest!), ledger.remove(rest!), ledger.otherBytes], [true, false, 0]);
});

Deno.test("an answer confirms what was sent before its request, and neither what came after nor what was not sent", () => {
  const ledger = new PendingMessages();
  const entries = [
    notification({ text: "before" }),
    notification({ text: "not sent", isSent: false }),
    request(1),
    request(2),
    notification({ text: "after" }),
  ];
  for (const entry of entries) ledger.add(entry);
  assertEquals(ledger.answer(3), undefined);
  assertEquals(ledger.answer(2)?.id, 2);
  assertEquals([...ledger].map(({ text, kind }) => kind === "request" ? 1 : text), ["not sent", 1, "after"]);
  assertEquals(ledger.answer(1)?.id, 1);
  assertEquals([...ledger].map(({ text }) => text), ["not sent", "after"]);
});

Deno.test("what is no request is forgotten once so many messages have arrived as stood before it", () => {
  const ledger = new PendingMessages();
  const entries = [
    notification({ text: "first", sequence: 1 }),
    request(1),
    notification({ text: "third", sequence: 3 }),
    notification({ text: "fourth", sequence: 4 }),
    notification({ text: "nowhere" }),
    notification({ text: "again", sequence: 2, isSent: false }),
  ];
  for (const entry of entries) ledger.add(entry);
  ledger.acknowledge(3);
  assertEquals([...ledger].map(({ text, kind }) => kind === "request" ? 1 : text), [
    1,
    "fourth",
    "nowhere",
    "again",
  ]);
});

Deno.test("a request that is forgotten takes its timers along", () => {
  using timers = new FakeTimers();
  const ledger = new PendingMessages();
  let disposed = 0;
  const daemonTimer = { [Symbol.dispose]: () => disposed++ };
  ledger.add(request(1, { daemonTimer, responseTimer: setTimeout(() => {}, 1000) }));
  ledger.take(1);
  assertEquals([disposed, timers.size], [1, 0]);
});

Deno.test("answers to lists are kept by method and parameters, and no others", () => {
  const cache = new ResponseCache();
  const ask = (method: string, params?: JsonObject) => ({ method, text: JSON.stringify({ method, params }) });
  const find = (request: ReturnType<typeof ask>) => {
    const query = cache.queryOf(request);
    return query && cache.get(query);
  };
  const kept = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];
  for (const method of [...kept, "resources/read"]) cache.note(ask(method), answered({ of: method }));
  for (const method of kept) assertEquals(find(ask(method)), `"result":{"of":"${method}"}}`);
  assertEquals(find(ask("resources/read")), undefined);
  assertEquals(find(ask("tools/list", { cursor: "2" })), undefined);
  assertEquals(find(ask("tools/list", { _meta: { progressToken: 1 } })), find(ask("tools/list")));
  assertEquals(cache.queries()[0], { method: "tools/list", params: {} });
});

Deno.test("a new first page makes the other pages of its list useless, another page none", () => {
  const cache = new ResponseCache();
  const put = (method: string, cursor: string | undefined, body: string) =>
    cache.put({ method, params: cursor ? { cursor } : {} }, body);
  put("tools/list", undefined, "1");
  put("tools/list", "a", "2");
  put("prompts/list", "a", "p");
  put("tools/list", "b", "3");
  assertEquals(cache.queries().length, 4);
  put("tools/list", undefined, "new");
  assertEquals(cache.queries(), [
    { method: "prompts/list", params: { cursor: "a" } },
    { method: "tools/list", params: {} },
  ]);
  assertEquals(cache.get({ method: "tools/list", params: {} }), "new");
});

Deno.test("no more than 4 Mi characters of lists are kept, and what is replaced makes room", () => {
  const cache = new ResponseCache();
  const most = 4 * 1024 * 1024;
  const put = (cursor: string, chars: number) =>
    cache.put({ method: "tools/list", params: { cursor } }, "x".repeat(chars));
  put("a", most);
  put("b", 1);
  assertEquals(cache.queries().length, 1);
  put("a", most - 1);
  put("b", 1);
  assertEquals(cache.queries().length, 2);
  put("b", 2);
  assertEquals(cache.queries().length, 1, "what is there of it now is not known");
});

Deno.test("a tool is safe to repeat if the list of the daemon says so, on whatever page", () => {
  const cache = new ResponseCache();
  const put = (method: string, cursor: string | undefined, result: JsonObject) =>
    cache.put({ method, params: cursor ? { cursor } : {} }, `"result":${JSON.stringify(result)}}`);
  const reads = { name: "reads", annotations: { readOnlyHint: true } };
  put("prompts/list", undefined, { tools: [{ name: "prompt", annotations: { readOnlyHint: true } }] });
  put("tools/list", undefined, { tools: [null, { name: "acts" }] });
  put("tools/list", "a", {});
  put("tools/list", "b", { tools: [reads] });
  put("tools/list", "c", { tools: "none" });
  const safe = ["reads", "acts", "prompt", undefined].map((name) => cache.isSafeToRepeat(name));
  assertEquals(safe, [true, false, false, false]);
  cache.put({ method: "tools/list", params: { cursor: "d" } }, '"error":{}}');
  assertEquals(cache.isSafeToRepeat("nowhere"), false);
});

Deno.test("what is remembered of a client is what its daemon answered well, anew with each initialize", () => {
  const state = new ClientState();
  assertEquals([state.revision, state.mayNotify("tools")], [undefined, false]);
  const note = (method: string, params: JsonObject | undefined, result: JsonObject = {}) =>
    state.noteResponse({ method, text: JSON.stringify({ method, params }) }, answered(result));
  const capabilities = { tools: { listChanged: true }, prompts: { listChanged: "yes" }, resources: {} };
  note("initialize", { a: 1 }, { protocolVersion: "2025-06-18", capabilities });
  assertEquals([state.initialize, state.revision], [{ a: 1 }, "2025-06-18"]);
  const may = ["tools", "prompts", "resources", "logging"].map((name) => state.mayNotify(name));
  assertEquals(may, [true, false, false, false]);
  note("logging/setLevel", { level: "error" });
  note("resources/subscribe", { uri: "a:1", more: 1 });
  note("resources/subscribe", { uri: "a:2" });
  note("resources/unsubscribe", { uri: "a:2" });
  note("tools/call", { uri: "a:1" });
  assertEquals(state.logLevel, { level: "error" });
  assertEquals([...state.subscriptions], [["a:1", { uri: "a:1", more: 1 }]]);
  note("initialize", undefined, { protocolVersion: "" });
  assertEquals([state.initialize, state.revision, state.mayNotify("tools")], [{}, undefined, false]);
  assertEquals([state.logLevel, state.subscriptions.size], [undefined, 0]);
  const nothing = '{"jsonrpc":"2.0","id":1}';
  state.noteResponse({ method: "initialize", text: "{}" }, { text: nothing });
  assertEquals([state.revision, state.mayNotify("tools")], [undefined, false]);
  note("initialize", {}, { protocolVersion: 7, capabilities: 7 });
  assertEquals([state.revision, state.mayNotify("tools")], [undefined, false]);
});

Deno.test("nothing is answered from memory that the daemon refused, nor before it has met the client", () => {
  const memory = new ReplayState();
  const list = request(5, { method: "tools/list", text: '{"method":"tools/list"}' });
  assertEquals(memory.responseFor(request(4, { method: "ping" })), undefined);
  assertEquals(memory.client.initialize, undefined);
  memory.noteResponse(request(1, { method: "initialize" }), answered({ a: 1 }));
  assertEquals(memory.responseFor(list), undefined);
  memory.noteResponse(list, answered({ tools: [] }));
  assertEquals(memory.responseFor(list), '{"jsonrpc":"2.0","id":5,"result":{"tools":[]}}');
  const ping = request("p", { method: "ping" });
  assertEquals(memory.responseFor(ping), '{"jsonrpc":"2.0","id":"p","result":{}}');
  const again = request(2, { method: "initialize" });
  assertEquals(memory.responseFor(again), '{"jsonrpc":"2.0","id":2,"result":{"a":1}}');
  assertEquals(memory.responseFor(request(3)), undefined);
});

Deno.test("a call that names no tool is not safe to repeat, a request that reads is", () => {
  const memory = new ReplayState();
  assertEquals(memory.isSafeToRepeat(request(1, { text: '{"method":"tools/call"}' })), false);
  assertEquals(memory.isSafeToRepeat(request(1, { method: "resources/read" })), true);
  assertEquals(memory.isSafeToRepeat(request(1, { method: "x/custom" })), false);
});

Deno.test("requests of the shim's own are told from the client's, and each gets its own answer", async () => {
  const sent: JsonObject[] = [];
  const own = new ShimRequests((text) => void sent.push(JSON.parse(text)));
  const [first, second] = [own.request("ping"), own.request("x/y", { a: 1 })];
  assertEquals(sent.map(({ jsonrpc, method, params }) => [jsonrpc, method, params]), [
    ["2.0", "ping", undefined],
    ["2.0", "x/y", { a: 1 }],
  ]);
  const settle = (id: unknown, rest: JsonObject) => {
    const text = JSON.stringify({ jsonrpc: "2.0", id, ...rest });
    return own.handleResponse({ text }, peek(text) as PeekedResponse);
  };
  assertEquals([settle(1, { result: {} }), settle("exai-shim-1", { result: {} })], [false, false]);
  assertEquals(settle(sent[1]!.id, { result: { b: 2 } }), true);
  assertEquals(own.size, 1);
  assertEquals(settle(sent[0]!.id, { error: { code: 1 } }), true);
  assertEquals(settle(sent[0]!.id, { result: {} }), true, "late, and still nobody else's");
  assertEquals(await first, { failed: true, body: '"error":{"code":1}}' });
  assertEquals(await second, { failed: false, body: '"result":{"b":2}}' });
  const cut = own.request("ping");
  own.failAll("the connection was cut");
  assertEquals(own.size, 0);
  const error = await assertRejects(() => cut, Error, "the connection was cut");
  assertEquals((error as { code?: string }).code, "DAEMON_UNAVAILABLE");
});

/** What the daemon is told when a client is introduced to it that was `noted` to have said all this. */
async function introduced(state: ClientState, refuses?: string) {
  const sent: JsonObject[] = [];
  const own = new ShimRequests((text) => {
    const { id, method, params } = JSON.parse(text);
    sent.push({ method, params });
    const body = method === refuses ? '"error":{"message":"no"}}' : '"result":{}}';
    const answer = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${body}`;
    queueMicrotask(() => own.handleResponse({ text: answer }, peek(answer) as PeekedResponse));
  });
  await replayHandshake(state, { requests: own, send: (text) => void sent.push(JSON.parse(text)) });
  return sent;
}

Deno.test("a client is introduced with all it has said, and with no more", async () => {
  const state = new ClientState();
  state.initialize = { a: 1 };
  const repeated = (had: JsonObject) => ({ a: 1, _meta: { "exai/replay": had } });
  assertEquals(await introduced(state), [{ method: "initialize", params: repeated({ subscriptions: 0 }) }]);
  state.hasInitialized = true;
  state.logLevel = { level: "error" };
  state.subscriptions.set("a:1", { uri: "a:1" });
  using log = new CapturedLog();
  assertEquals(await introduced(state, "logging/setLevel"), [
    { method: "initialize", params: repeated({ logLevel: "error", subscriptions: 1 }) },
    { jsonrpc: "2.0", method: "notifications/initialized" },
    { method: "logging/setLevel", params: { level: "error" } },
    { method: "resources/subscribe", params: { uri: "a:1" } },
  ]);
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(log.take(), ['warning: the new daemon refuses logging/setLevel: "error":{"message":"no"}}']);
  const error = await assertRejects(() => introduced(state, "initialize"), Error, '"message":"no"');
  assertEquals((error as { code?: string }).code, "DAEMON_UNAVAILABLE");
});

Deno.test("a daemon that goes while a client is introduced to it is no fault of the client's", async () => {
  using log = new CapturedLog();
  const state = new ClientState();
  state.initialize = {};
  state.logLevel = { level: "error" };
  const own = new ShimRequests((text) => {
    if (JSON.parse(text).method !== "initialize") return;
    const answer = `{"jsonrpc":"2.0","id":${JSON.stringify(JSON.parse(text).id)},"result":{}}`;
    queueMicrotask(() => own.handleResponse({ text: answer }, peek(answer) as PeekedResponse));
  });
  await replayHandshake(state, { requests: own, send: () => {} });
  own.failAll("it is gone");
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  assertEquals(log.take().length, 1);
});

Deno.test("lists that have changed are named once each and kept, but not what was refused or asked anew meanwhile", async () => {
  const cache = new ResponseCache();
  const query = (method: string, cursor?: string) => ({ method, params: cursor ? { cursor } : {} });
  cache.put(query("tools/list"), '"result":{"n":1}}');
  cache.put(query("tools/list", "2"), '"result":{"n":2}}');
  cache.put(query("prompts/list"), '"result":{"n":3}}');
  cache.put(query("resources/list"), '"result":{"n":4}}');
  cache.put(query("resources/templates/list"), '"result":{"n":5}}');
  const bodies: Record<string, string> = {
    "tools/list": '"result":{"new":1}}',
    "prompts/list": '"result":{"n":3}}',
    "resources/list": '"error":{}}',
    "resources/templates/list": '"result":{"new":5}}',
  };
  const own = {
    request: async (method: string) => {
      await Promise.resolve();
      if (method === "resources/templates/list") cache.put(query(method), '"result":{"newer":5}}');
      return { failed: bodies[method]!.startsWith('"error"'), body: bodies[method]! };
    },
  } as unknown as ShimRequests;
  const { legacy, modern } = await refreshLists(cache, own, { replayed: true });
  assertEquals([legacy, modern], [new Set(["tools", "resources"]), new Set()]);
  assertEquals(cache.get(query("tools/list")), bodies["tools/list"]);
  assertEquals(cache.get(query("tools/list", "2")), undefined, "a page of a list that is gone");
  assertEquals(cache.get(query("resources/list")), '"result":{"n":4}}');
  assertEquals(cache.get(query("resources/templates/list")), '"result":{"newer":5}}');
});

Deno.test("a list has not changed because it may be kept for another time, or another daemon gives it", async () => {
  const cache = new ResponseCache();
  const body = (name: string, ttlMs: number, version: string) => {
    const _meta = { "io.modelcontextprotocol/serverInfo": { name: "exai", version } };
    return `"result":${
      JSON.stringify({ tools: [{ name, _meta: { version: 1 } }], ttlMs, cacheScope: "private", _meta })
    }}`;
  };
  const query = {
    method: "tools/list",
    params: { _meta: { "io.modelcontextprotocol/protocolVersion": "x" } },
  };
  cache.put(query, body("a", 500, "1"));
  const refreshed = async (next: string) => {
    const own = { request: () => Promise.resolve({ failed: false, body: next }) } as unknown as ShimRequests;
    return [...(await refreshLists(cache, own, { replayed: true })).modern];
  };
  assertEquals(await refreshed(body("a", 100, "2")), []);
  assertEquals(await refreshed(body("b", 100, "2")), ["tools"]);
});

Deno.test("what is answered from memory is to be asked for again at once, and otherwise as it was", () => {
  const state = new ReplayState();
  const _meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
  const text = JSON.stringify({ method: "tools/list", params: { _meta } });
  const asked = request(7, { method: "tools/list", text });
  state.noteResponse(asked, {
    text: '{"jsonrpc":"2.0","id":7,"result":{"ttlMs":9,"n":1.0,"x":{"ttlMs":9}}}',
  });
  assertEquals(
    state.responseFor(asked),
    '{"jsonrpc":"2.0","id":7,"result":{"ttlMs":0,"n":1.0,"x":{"ttlMs":9}}}',
  );
});

Deno.test("what becomes of a message after a resume", () => {
  const facts = (unseen: number[], knowsArrivals = false) => ({ unseen: new Set(unseen), knowsArrivals });
  assertEquals(afterResume(request(1, { isSent: false }), facts([])), "send");
  assertEquals(afterResume(request(1), facts([2])), "keep");
  assertEquals(afterResume(request(1, { sends: 49 }), facts([1])), "send");
  assertEquals(afterResume(request(1, { sends: 50 }), facts([1])), "undelivered");
  assertEquals(afterResume(notification({ kind: "response", method: undefined }), facts([])), "send");
  assertEquals(afterResume(notification(), facts([], true)), "send");
  assertEquals(afterResume(notification(), facts([])), "drop");
  for (const name of ["cancelled", "initialized", "roots/list_changed"]) {
    assertEquals(afterResume(notification({ method: `notifications/${name}` }), facts([])), "send", name);
  }
});

Deno.test("what becomes of a request that an earlier daemon may have had", () => {
  const fate = (sends: number, safe: boolean, sets?: { unseen?: number[]; unknown?: number[] }) =>
    atRestart(request(1, { sends }), {
      recovered: sets && { unseen: new Set(sets.unseen), unknown: new Set(sets.unknown) },
      isSafeToRepeat: () => safe,
    });
  const never = { recovered: undefined, isSafeToRepeat: () => false };
  assertEquals(atRestart(request(1, { isSent: false }), never), "send");
  for (const sets of [undefined, { unknown: [1] }]) {
    assertEquals([fate(1, false, sets), fate(2, true, sets), fate(3, true, sets)], [
      "unknown",
      "send",
      "repeated",
    ]);
  }
  assertEquals(fate(1, false, { unseen: [2], unknown: [3] }), "keep");
  const unseen = { unseen: [1] };
  assertEquals([fate(2, true, unseen), fate(3, true, unseen)], ["send", "repeated"]);
  assertEquals([fate(3, false, unseen), fate(9, false, unseen)], ["send", "send"]);
  assertEquals(fate(10, false, unseen), "undelivered");
});

Deno.test("what becomes of a message once the next daemon has met the client", () => {
  const fate = (entry: PendingMessage | PendingRequest, replayed = true) => afterRestart(entry, { replayed });
  assertEquals([fate(request(1)), fate(request(1, { isSent: false }))], ["keep", "send"]);
  assertEquals(fate(notification({ kind: "response", method: undefined, isSent: false })), "drop");
  assertEquals(fate(notification({ method: "notifications/cancelled", isSent: false })), "drop");
  const initialized = notification({ method: "notifications/initialized" });
  assertEquals([fate(initialized), fate(initialized, false)], ["drop", "send"]);
  assertEquals([fate(notification()), fate(notification({ isSent: false }))], ["drop", "send"]);
});
