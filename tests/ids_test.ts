import { assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { Settings } from "../lib/config/settings.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { RawHttp, sseEvents, sseMessages } from "./helpers/http_client.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { RawClient } from "./helpers/raw_client.ts";

async function oddDaemon(settings: Partial<Settings> = {}) {
  const odd = new OddServer();
  const it = await testDaemon({ servers: [odd], settings });
  return { ...it, odd, mcp: new URL("/mcp", it.http).href };
}

function hold(id: unknown): JsonObject {
  return { jsonrpc: "2.0", id: id as string, method: "tools/call", params: { name: "hold", arguments: {} } };
}

/** Sends a call of `hold` and resolves once it runs. */
async function begin(it: { odd: OddServer }, client: RawClient, message: JsonObject) {
  const begun = it.odd.nextHold();
  client.send(message);
  await begun;
}

Deno.test("an op and an MCP request may have any ids: they never meet", async () => {
  await using it = await oddDaemon();
  using client = await RawClient.hello(it.url);
  const opIds = [41, "41", "__proto__", "op number 41"];
  const mcpIds = [41, "41", "op number 41", "op string 41", "list_tools 0", "op string list_tools 0", 0];
  for (const id of opIds) await begin(it, client, { op: "call_tool", request_id: id, name: "hold" });
  for (const id of mcpIds.slice(0, 4)) await begin(it, client, hold(id));
  const list = { jsonrpc: "2.0", id: "own", method: "ping" };
  assertEquals((await client.ask(list)).result, {});
  // Cancelling one leaves the other of the same name alone.
  client.send({ op: "cancel", request_id: 41 });
  const cancelled = await client.next();
  assertEquals([cancelled.op, cancelled.request_id], ["call_tool_res", 41]);
  it.odd.release.resolve();
  const frames: JsonObject[] = [];
  while (frames.length < opIds.length - 1 + 4) frames.push(await client.next());
  const ops = frames.filter(({ op }) => op === "call_tool_res").map(({ request_id }) => request_id);
  const mcp = frames.filter(({ jsonrpc }) => jsonrpc).map(({ id, result }) => [id, result !== undefined]);
  assertEquals(new Set(ops), new Set(opIds.slice(1)));
  assertEquals(new Set(mcp.map(String)), new Set(mcpIds.slice(0, 4).map((id) => String([id, true]))));
  await client.close();
});

Deno.test("an op that lists tools meets no call, whatever its id", async () => {
  await using it = await oddDaemon();
  using client = await RawClient.hello(it.url);
  for (const id of [0, 1, "list_tools 0"]) {
    await begin(it, client, { op: "call_tool", request_id: id, name: "hold" });
  }
  const { op, tools } = await client.ask({ op: "list_tools" });
  assertEquals([op, (tools as JsonObject[]).length > 0], ["list_tools_res", true]);
  it.odd.release.resolve();
  await client.close();
});

Deno.test("a second request under a running call's id is refused, whatever it asks, and the call is answered", async () => {
  await using it = await oddDaemon();
  using client = await RawClient.hello(it.url, { resume: true });
  await begin(it, client, hold(7));
  const twins = [
    hold(7),
    { jsonrpc: "2.0", id: 7, method: "ping" },
    { jsonrpc: "2.0", id: 7, method: "tools/list" },
    { jsonrpc: "2.0", id: 7, method: "tools/call", params: 5 },
  ];
  for (const twin of twins) {
    const { id, error } = await client.ask(twin);
    assertEquals([id, (error as JsonObject).code], [7, -32600]);
  }
  assertEquals((await client.ask({ ...hold(7), id: "7", method: "ping" })).result, {}, "7 is not the text 7");
  it.odd.release.resolve();
  assertEquals((await client.next()).id, 7);
  assertEquals(
    (await client.ask({ jsonrpc: "2.0", id: 7, method: "ping" })).result,
    {},
    "its id may come again",
  );
  await client.close();
});

Deno.test("a request under the id of a cancelled call that still runs is refused and answered once", async () => {
  await using it = await oddDaemon();
  using client = await RawClient.hello(it.url);
  await begin(it, client, hold("a"));
  client.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "a" } });
  const { id, error } = await client.ask(hold("a"));
  assertEquals([id, (error as JsonObject).code], ["a", -32600]);
  it.odd.release.resolve();
  // The cancelled call gets no answer: the next frame belongs to the ping.
  assertEquals((await client.ask({ jsonrpc: "2.0", id: "b", method: "ping" })).id, "b");
  await client.close();
});

Deno.test("an id that no double holds is answered with all its digits, and a fraction or an exponent is refused", async () => {
  await using it = await oddDaemon();
  using client = await RawClient.hello(it.url);
  const texts: string[] = [];
  client.socket.addEventListener("message", ({ data }) => texts.push(data));
  const ids = ["9007199254740993", "-9007199254740993", `1${"0".repeat(1000)}`];
  for (const id of ids) await client.ask(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`);
  assertEquals(texts, ids.map((id) => `{"jsonrpc":"2.0","id":${id},"result":{}}`));
  for (const id of ["1e300", "1e999", "9007199254740993.0", "9".repeat(1025)]) {
    const { id: shown, error } = await client.ask(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`);
    assertEquals([shown, (error as JsonObject).code], [null, -32600]);
  }
  await client.close();
});

async function errorOf(response: Response): Promise<JsonObject> {
  return await response.json();
}

Deno.test("over HTTP a second request under an id in flight is refused, and the first gets its answer", async () => {
  await using it = await oddDaemon();
  const client = await RawHttp.open(it.mcp);
  const begun = it.odd.nextHold();
  const first = await client.post(hold(1));
  await begun;
  for (const method of ["tools/call", "ping", "tools/list"]) {
    const response = await client.post({ id: 1, method, params: { name: "whoami" } });
    assertEquals(response.status, 400);
    const { id, error } = await errorOf(response);
    assertEquals([id, (error as JsonObject).code], [1, -32600]);
    assertMatch(String((error as JsonObject).message), /request id 1 is already in use/);
  }
  const other = await sseMessages(await client.post({ id: "1", method: "ping" }));
  assertEquals(other.map(({ id }) => id), ["1"], "1 and the text 1 are two ids");
  it.odd.release.resolve();
  assertEquals((await sseMessages(first)).map(({ id, result }) => [id, result !== undefined]), [[1, true]]);
  const again = await sseMessages(await client.post({ id: 1, method: "ping" }));
  assertEquals(again.map(({ id, result }) => [id, result]), [[1, {}]], "an answered id may come again");
  await client.delete();
});

Deno.test("requests that come at once under one id: one is answered and the others are refused", async () => {
  await using it = await oddDaemon();
  const client = await RawHttp.open(it.mcp);
  it.odd.release.resolve();
  const responses = await Promise.all(Array.from({ length: 20 }, () => client.post(hold("x"))));
  const good = responses.filter(({ status }) => status === 200);
  for (const response of responses) {
    if (response.status === 200) {
      assertEquals((await sseMessages(response)).map(({ result }) => result !== undefined), [true]);
    } else assertEquals((await errorOf(response)).id, "x");
  }
  assertEquals(good.length > 0, true);
  await client.delete();
});

Deno.test("a batch that names an id twice has the first answered and the second refused", async () => {
  await using it = await oddDaemon();
  const client = await RawHttp.open(it.mcp, { "mcp-protocol-version": "2025-03-26" });
  const whoami = (id: number) => ({ ...hold(id), params: { name: "whoami" } });
  const messages = await sseMessages(
    await client.post(JSON.stringify([whoami(1), whoami(1), whoami(2)])),
  );
  const shown = messages.map(({ id, error }) => `${id} ${error ? (error as JsonObject).code : "answered"}`);
  assertEquals(shown.toSorted(), ["1 -32600", "1 answered", "2 answered"]);
  const begun = it.odd.nextHold();
  const first = await client.post(hold(5));
  await begun;
  const mixed = await sseMessages(await client.post(JSON.stringify([whoami(5), whoami(6)])));
  assertEquals(mixed.map(({ id, error }) => [id, error !== undefined]), [[5, true], [6, false]]);
  const only = await client.post(JSON.stringify([whoami(5)]));
  assertEquals([only.status, (await errorOf(only)).id], [400, 5]);
  it.odd.release.resolve();
  assertEquals((await sseMessages(first)).map(({ id }) => id), [5]);
  await client.delete();
});

Deno.test("over HTTP an id is in use while its client is away, and free once its call is cancelled", async () => {
  await using it = await oddDaemon();
  const client = await RawHttp.open(it.mcp);
  const cancelled = it.odd.nextHold();
  const first = await client.post(hold(1));
  const call = await cancelled;
  const away = it.odd.nextHold();
  const cut = new AbortController();
  const second = await client.post(hold(2), cut.signal);
  const { value } = await sseEvents(second).next();
  await away;
  cut.abort();
  assertEquals((await errorOf(await client.post(hold(2)))).id, 2);
  const back = await client.get({ "last-event-id": value!.id! });
  assertEquals((await errorOf(await client.post(hold(2)))).id, 2, "coming back for it frees no id");
  await (await client.post({ method: "notifications/cancelled", params: { requestId: 1 } })).body?.cancel();
  assertEquals(call.signal.aborted, true);
  assertEquals(await sseMessages(first), [], "a cancelled call gets no answer");
  it.odd.release.resolve();
  const [answer] = await sseMessages(back);
  assertEquals([answer?.id, answer?.result !== undefined], [2, true]);
  for (const id of [1, 2]) {
    const again = await sseMessages(await client.post({ id, method: "ping" }));
    assertEquals(again.map(({ result }) => result), [{}]);
  }
  await client.delete();
});

Deno.test("a request HTTP refuses takes no id", async () => {
  await using it = await oddDaemon();
  const client = await RawHttp.open(it.mcp);
  const bad = await client.post({ id: 3, method: 5 as unknown as string });
  assertEquals(bad.status, 400);
  await bad.body?.cancel();
  const good = await sseMessages(await client.post({ id: 3, method: "ping" }));
  assertEquals(good.map(({ result }) => result), [{}]);
  await client.delete();
});
