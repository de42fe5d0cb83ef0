import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { MemoryWindow, TOOLS } from "./helpers/memory_window.ts";
import { until } from "./helpers/until.ts";
import { INITIALIZE } from "./helpers/shim.ts";

function names(messages: readonly JsonObject[]): unknown[] {
  return messages.map(({ id, method }) => id ?? method);
}

function codes(told: readonly JsonObject[]): unknown[] {
  return told.map(({ id, refused }) => [id, refused]);
}

Deno.test("a session taken up again is sent what never arrived, and nothing twice", async () => {
  using it = await MemoryWindow.ready({}, { receipts: true });
  it.call("acts", 1);
  it.write({ method: "notifications/first" });
  it.call("acts", 2);
  it.write({ method: "notifications/second" });
  it.cut();
  it.call("acts", 3);
  it.write({ method: "notifications/third" });
  const next = await it.connect({ receipts: true, unseen: [2], received: 5 });
  assertEquals(names(next.take()), [2, "notifications/second", 3, "notifications/third"]);
  for (const id of [1, 2, 3]) next.answer({ id });
  assertEquals(names(it.client.take()), [1, 2, 3]);
});

Deno.test("what went out on a connection on which nothing arrived is sent again on the next", async () => {
  using it = await MemoryWindow.ready({}, { receipts: true });
  it.write({ method: "notifications/first" });
  it.cut();
  const second = await it.connect({ receipts: true, unseen: [], received: 4 });
  assertEquals(names(second.take()), []);
  it.write({ method: "notifications/second" });
  it.cut();
  const third = await it.connect({ receipts: true, unseen: [], received: 4 });
  assertEquals(names(third.take()), ["notifications/second"]);
  it.cut();
  assertEquals(names((await it.connect({ receipts: true, unseen: [], received: 5 })).take()), []);
});

Deno.test("of a daemon that does not say what arrived, a notification is repeated only if that does no harm", async () => {
  using it = await MemoryWindow.ready();
  it.daemon.send({ jsonrpc: "2.0", id: "q", method: "roots/list" });
  const repeatable = ["notifications/cancelled", "notifications/roots/list_changed"];
  for (const method of ["notifications/x", ...repeatable]) it.write({ method });
  it.write({ id: "q", result: { roots: [] } });
  it.cut();
  assertEquals(names((await it.connect({ unseen: [] })).take()), [...repeatable, "q"]);
});

Deno.test("what another daemon's journal says of the requests of this window decides about them", async () => {
  using it = await MemoryWindow.ready();
  for (const id of ["unseen", "unknown", "answered"]) it.call("acts", id);
  it.call("reads", "reads");
  it.cut();
  const sent = await it.meet({ recovered: { unseen: ["unseen"], unknown: ["unknown", "reads"] } });
  assertEquals(names(sent), ["unseen", "reads"]);
  assertEquals(codes(it.client.take()), [["unknown", "OUTCOME_UNKNOWN"]]);
  it.daemon.answer({ id: "answered" });
  assertEquals(names(it.client.take()), ["answered"]);
});

Deno.test("a session that was cut before its client was introduced is begun anew, and runs nothing twice", async () => {
  using it = await MemoryWindow.ready();
  it.call("acts", 1);
  it.call("acts", 2);
  it.cut();
  await it.connect({ recovered: { unseen: [], unknown: [] } });
  it.cut();
  assertEquals(names(await it.meet({ unseen: [2] })), [2]);
  assertEquals(it.client.take(), []);
  it.cut();
  const again = await it.connect({ unseen: [] });
  assertEquals([names(again.take()), names(it.client.take())], [[], []], "it is resumed now");
});

Deno.test("a daemon that ends while the client is introduced to it is not taken to know the client", async () => {
  using it = await MemoryWindow.ready();
  it.cut();
  await it.connect();
  it.cut();
  it.call("acts", 1);
  const next = await it.connect({ unseen: [] });
  const [initialize] = next.take();
  assertEquals([initialize!.method, initialize!.params], [
    "initialize",
    { ...INITIALIZE, _meta: { "exai/replay": { subscriptions: 0 } } },
  ]);
});

Deno.test("a daemon that refuses the client's initialize is left, for the reason it gives", async () => {
  using it = await MemoryWindow.ready();
  it.cut();
  const next = await it.connect();
  next.send({
    jsonrpc: "2.0",
    id: next.take()[0]!.id!,
    error: { code: -32602, message: "no such revision" },
  });
  const { code, reason } = await next.socket.closed;
  assertEquals(code, 1006);
  assertStringIncludes(reason, "no such revision");
  it.call("acts", 1);
  assertEquals(next.take(), [], "it has not met the client");
});

Deno.test("what a client has not said is not said for it", async () => {
  using it = new MemoryWindow();
  await it.connect();
  it.ask("initialize", INITIALIZE, 1);
  it.answer({ protocolVersion: "2025-06-18", capabilities: {} });
  it.write({ method: "notifications/x" });
  it.cut();
  const next = await it.connect();
  next.answer(next.take()[0]!, {});
  await it.turn();
  assertEquals(next.take(), []);
  it.write({ method: "notifications/initialized" });
  assertEquals(names(next.take()), ["notifications/initialized"]);
});

Deno.test("a client that has not initialized is introduced by nobody", async () => {
  using it = new MemoryWindow();
  await it.connect();
  it.ask("tools/list", {}, 1);
  it.answer(TOOLS);
  it.write({ method: "notifications/x" });
  it.cut();
  assertEquals((await it.connect()).take(), []);
});

Deno.test("what is said while the client is introduced waits for the end of that", async () => {
  using it = await MemoryWindow.ready();
  it.cut();
  const next = await it.connect();
  it.write({ method: "notifications/x" });
  it.call("acts", 1);
  const [initialize, ...early] = next.take();
  assertEquals(early, []);
  next.answer(initialize!, {});
  await it.turn();
  assertEquals(names(next.take()).slice(1, 3), ["notifications/x", 1]);
});

Deno.test("a request that is cut off each time it is sent is given up after fifty", async () => {
  using it = await MemoryWindow.ready();
  it.call("acts", 1);
  for (let sends = 2; sends <= 50; sends++) {
    it.cut();
    assertEquals(names((await it.connect({ unseen: [1] })).take()), [1], `the ${sends}th`);
  }
  it.cut();
  assertEquals((await it.connect({ unseen: [1] })).take(), []);
  const [refused] = it.client.take();
  assertEquals(refused!.refused, "DAEMON_UNAVAILABLE");
  assertStringIncludes(String(refused!.message), "each of the 50 times this tools/call was sent");
});

Deno.test("while the daemon is away, or the client being introduced, what is known is answered from memory", async () => {
  using it = await MemoryWindow.ready();
  it.cut();
  it.ask("ping", {}, 1);
  await it.connect();
  it.ask("tools/list", {}, 2);
  assertEquals(it.client.take().map(({ id, result }) => [id, result]), [[1, {}], [2, TOOLS]]);
  it.daemon.answer(it.daemon.take()[0]!);
  await it.turn();
  it.ask("ping", {}, 3);
  assertEquals(names(it.client.take()), []);
});

Deno.test("initialized that was not sent yet is said once to the next daemon", async () => {
  using it = new MemoryWindow();
  await it.connect();
  it.ask("initialize", INITIALIZE, 1);
  it.answer({ protocolVersion: "2025-06-18", capabilities: {} });
  it.cut();
  it.write({ method: "notifications/initialized" });
  const next = await it.connect();
  next.answer(next.take()[0]!, {});
  await it.turn();
  assertEquals(names(next.take()), ["notifications/initialized"]);
});

Deno.test("questions of a daemon that is gone are withdrawn, with the reason, and those it withdrew are not", async () => {
  using it = await MemoryWindow.ready();
  for (const id of ["q1", "q2"]) it.daemon.send({ jsonrpc: "2.0", id, method: "roots/list" });
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "q1" } });
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/cancelled" });
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/x", params: { requestId: "q2" } });
  it.write({ id: "q1", result: { roots: [] } });
  assertEquals(it.daemon.take(), [], "nobody asks that any more");
  it.client.take();
  it.cut();
  await it.meet();
  const reason = "the daemon that asked has gone away";
  assertEquals(it.client.take(), [
    { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "q2", reason } },
  ]);
  it.write({ id: "q2", result: { roots: [] } });
  assertEquals(it.daemon.take(), []);
});

Deno.test("an answer given while the daemon is away goes nowhere if the next one is another", async () => {
  using it = await MemoryWindow.ready();
  for (const id of ["q", "large"]) it.daemon.send({ jsonrpc: "2.0", id, method: "roots/list" });
  it.cut();
  it.write({ id: "q", result: { roots: [] } });
  it.write({ id: "large", result: { roots: [] } }, 1e9);
  it.write({ method: "notifications/cancelled", params: { requestId: 7 } });
  it.write({ method: "notifications/roots/list_changed" });
  assertEquals(names(await it.meet()), ["notifications/roots/list_changed"]);
  it.cut();
  assertEquals(names((await it.connect({ unseen: [] })).take()), ["notifications/roots/list_changed"]);
  it.cut();
  assertEquals(await it.meet(), []);
});

Deno.test("a request a stopping daemon refuses waits for the next one; any other refusal is the client's", async () => {
  using it = await MemoryWindow.ready();
  it.call("acts", 1);
  it.call("acts", 2);
  const refuse = (id: number, data?: JsonObject) =>
    it.daemon.send({ jsonrpc: "2.0", id, error: { code: -31011, message: "no", data } });
  refuse(1, { code: "SHUTTING_DOWN" });
  refuse(2);
  refuse(3, { code: "SHUTTING_DOWN" });
  it.call("acts", 4);
  it.daemon.send('{"jsonrpc":"2.0","id":4,"error":null}');
  assertEquals(names(it.client.take()), [2, 4]);
  it.cut();
  assertEquals(names(await it.meet()), [1]);
});

Deno.test("a request a stopping daemon refused is not kept for ever", async () => {
  using it = await MemoryWindow.ready({ connectTimeoutMs: 10, resumeWindowMs: 20 });
  it.call("acts", 1);
  const error = { code: -31011, message: "no", data: { code: "SHUTTING_DOWN" } };
  it.daemon.send({ jsonrpc: "2.0", id: 1, error });
  await until("the answer", () => it.client.told.length > 0 || undefined);
  assertEquals(codes(it.client.take()), [[1, "DAEMON_UNAVAILABLE"]]);
});

Deno.test("what was sent may have run: when no daemon comes its outcome is unknown, unless it may be repeated", async () => {
  using it = await MemoryWindow.ready({ connectTimeoutMs: 10, resumeWindowMs: 20 });
  it.call("acts", 1);
  it.call("reads", 2);
  it.cut();
  await until("both answers", () => it.client.told.length > 1 || undefined);
  const told = it.client.take();
  assertEquals(codes(told), [[1, "OUTCOME_UNKNOWN"], [2, "DAEMON_UNAVAILABLE"]]);
  assertStringIncludes(String(told[1]!.message), "the connection ended (1006).");
});

Deno.test("a frame that was too large for the daemon is given up, and only that", async () => {
  using it = await MemoryWindow.ready();
  it.call("acts", 1, 400);
  it.call("acts", 2, 900);
  it.call("acts", 3, 500);
  it.cut(1009, "too large");
  it.call("acts", 4, 5000);
  const [refused, ...others] = it.client.take();
  assertEquals([refused!.id, refused!.refused, others], [2, "TOO_LARGE", []]);
  assertStringIncludes(String(refused!.message), "900 B");
  for (const id of [1, 3]) it.write({ method: "notifications/cancelled", params: { requestId: id } });
  it.cut(1009);
  assertEquals(it.client.take(), [], "nothing was sent that could have been too large");
});

Deno.test("lists that differ with the next daemon are told to the client, if it was to hear of them", async () => {
  using it = await MemoryWindow.ready();
  it.ask("prompts/list", {}, "p");
  it.answer({ prompts: [] });
  it.client.take();
  it.cut();
  const next = await it.connect();
  next.answer(next.take()[0]!, {});
  await it.turn();
  const asked = next.take().filter(({ method }) => String(method).endsWith("/list"));
  assertEquals(asked.map(({ method }) => method), ["tools/list", "prompts/list"]);
  for (const { id, method } of asked) {
    next.answer({ id: id! }, method === "tools/list" ? { tools: [] } : { prompts: [{ name: "new" }] });
  }
  await it.turn();
  assertEquals(it.client.take(), [{ jsonrpc: "2.0", method: "notifications/tools/list_changed" }]);
});

Deno.test("lists that are the same with the next daemon are not said to have changed", async () => {
  using it = await MemoryWindow.ready();
  it.cut();
  const next = await it.connect();
  next.answer(next.take()[0]!, {});
  await it.turn();
  next.answer(next.take().find(({ method }) => method === "tools/list")!, TOOLS);
  await it.turn();
  assertEquals(it.client.take(), []);
});
