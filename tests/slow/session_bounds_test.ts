import { assert, assertEquals, assertMatch } from "@std/assert";
import { ByteBudget } from "../../lib/base/byte_budget.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import type { Caller } from "../../lib/call/call.ts";
import { ActiveCalls } from "../../lib/session/active_calls.ts";
import { ReplayBuffer } from "../../lib/session/replay_buffer.ts";
import { SubscriptionQuota } from "../../lib/session/subscription_quota.ts";
import { ListCache, truncationOf } from "../../lib/upstream/lists/list_cache.ts";
import { HandleTable } from "../../lib/upstream/tasks/handle_table.ts";
import { Subscriptions } from "../../lib/upstream/instance/subscriptions.ts";
import { FloodingServer } from "../helpers/flooding_server.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { RawClient } from "../helpers/raw_client.ts";

const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "many", version: "1" },
};

/** A client that speaks MCP by hand, one request at a time. */
async function mcpClient(url: string) {
  const client = await RawClient.hello(url);
  let next = 1;
  const ask = async (
    method: string,
    params: JsonObject,
    id: string | number = next++,
  ): Promise<JsonObject> => {
    client.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return await client.nextWhere((frame) => "result" in frame || "error" in frame);
  };
  await ask("initialize", INITIALIZE);
  return Object.assign(client, { request: ask });
}

function codeOf(reply: JsonObject): unknown {
  return ((reply.error as JsonObject | undefined)?.data as JsonObject | undefined)?.code;
}

Deno.test("subscriptions of a session are bounded in count and length, by name, and given back", async () => {
  await using server = new FloodingServer();
  await using it = await mountingDaemon({ many: { url: `${server.url}/mcp` } });
  using client = await mcpClient(it.url);
  const uri = (n: number) => `many://${n}/${"x".repeat(8000)}`;
  let taken = 0;
  let reply = await client.request("resources/subscribe", { uri: uri(0) });
  while (reply.error === undefined) {
    reply = await client.request("resources/subscribe", { uri: uri(++taken) });
  }
  assertEquals(codeOf(reply), "OVER_CAPACITY");
  assertMatch(
    String((reply.error as JsonObject).message),
    /130 resources; it may be to 4096, with 1 MiB of URIs/,
  );
  assertEquals((await client.request("resources/unsubscribe", { uri: uri(0) })).error, undefined);
  assertEquals((await client.request("resources/subscribe", { uri: uri(taken) })).error, undefined);
  const long = await client.request("resources/subscribe", { uri: "x".repeat(10_000) });
  assertEquals(codeOf(long), "INVALID_PARAMS");
  using other = await mcpClient(it.url);
  assertEquals(
    (await other.request("resources/subscribe", { uri: uri(1) })).error,
    undefined,
    "each has its own",
  );
  await client.close();
  await other.close();
});

Deno.test("a session may be subscribed to 4096 resources, and what is given back can be used again", () => {
  const quota = new SubscriptionQuota();
  for (let n = 0; n < 4096; n++) assert(quota.add(`a:${n}`));
  assertEquals(quota.add("a:1"), false, "the same one again is none more");
  let refused = "";
  try {
    quota.add("a:4096");
  } catch (thrown) {
    refused = String(thrown);
  }
  assertMatch(refused, /4096/);
  quota.remove("a:1");
  assert(quota.add("a:4096"));
  quota.clear();
  assertEquals(quota.size, 0);
});

Deno.test("ids, progress tokens and what a client says of itself are bounded in length", async () => {
  await using it = await mountingDaemon({});
  using client = await mcpClient(it.url);
  const long = "x".repeat(2000);
  assertEquals(codeOf(await client.request("ping", {}, long)), "INVALID_REQUEST");
  const params = { name: "version", arguments: {}, _meta: { progressToken: long } };
  assertEquals(codeOf(await client.request("tools/call", params)), "INVALID_PARAMS");
  const capabilities = { experimental: { long: "x".repeat(100_000) } };
  assertEquals(codeOf(await client.request("initialize", { ...INITIALIZE, capabilities })), "INVALID_PARAMS");
  assertEquals((await client.request("ping", {})).error, undefined, "and the session goes on");
  await client.close();
});

Deno.test("requests of a session that run at once are bounded, and their end makes room", async () => {
  const calls = new ActiveCalls(2);
  const { promise, resolve } = Promise.withResolvers<void>();
  const run = (id: number) =>
    calls.run(
      { id, method: "ping", params: {}, notify: () => {}, ask: () => Promise.reject(new Error("no")) },
      {} as Caller,
      () => promise.then(() => ({ result: {} })),
    );
  const running = [run(1), run(2)];
  assertMatch(String((await run(3)).error?.message), /2 requests/);
  resolve();
  await Promise.all(running);
  assertEquals((await run(4)).error, undefined);
});

Deno.test("calls that outlast their session hold nothing of the budget", () => {
  const budget = new ByteBudget({ maxBytes: 1_000_000 });
  const limits = { maxMessages: 10, maxChars: 10_000, budget };
  const output = new ReplayBuffer(limits, { keepsResponses: true });
  output.sendResponse(1, "before");
  output.send("before");
  assert(budget.bytes > 0);
  output.clear();
  output.sendResponse(2, "after");
  output.rejectDuplicate(3, "after");
  output.send("after");
  assertEquals(budget.bytes, 0);
});

const caller = (id: string) => ({ id }) as Caller;

Deno.test("an update of a resource finds those subscribed to it, or to what it is a part of, however many there are", async () => {
  const subscriptions = new Subscriptions({
    renew: () => Promise.resolve({ result: {} }),
    onSubscriptionLost: () => {},
  });
  const subscribe = (uri: string, id: string) =>
    subscriptions.subscribe(uri, caller(id), { ask: () => Promise.resolve({ result: {} }) });
  for (let n = 0; n < 4096; n++) await subscribe(`file:///${n}`, "many");
  await subscribe("file:///a", "parent");
  await subscribe("file:///a/", "slash");
  await subscribe("file:///a/b.txt", "exact");
  const found = (uri: string) => subscriptions.subscribersOf(uri).map(({ id }) => id).sort();
  assertEquals(found("file:///a/b.txt"), ["exact", "parent", "slash"]);
  assertEquals(found("file:///a"), ["parent"]);
  assertEquals(found("file:///ab"), []);
  assertEquals(found(`other:${"/".repeat(1_000_000)}`), []);
});

Deno.test("a server's handles are bounded in number and length", () => {
  const owners = new HandleTable();
  owners.set("x".repeat(2000), caller("a"));
  assertEquals(owners.get("x".repeat(2000)), undefined);
  for (let n = 0; n <= 10_000; n++) owners.set(`task ${n}`, caller("a"));
  assertEquals([owners.get("task 0"), owners.get("task 10000")?.id], [undefined, "a"]);
});

Deno.test("a server's list without end is cut", async () => {
  const tools = Array.from({ length: 1000 }, (_, n) => ({ name: `tool ${n}` }));
  let page = 0;
  const ask = () => Promise.resolve({ result: { tools, nextCursor: `page ${++page}` } });
  const lists = new ListCache({ ask, has: () => true, isAnnounced: () => true });
  const list = await lists.get("tools");
  assertEquals(list.length, 10_000);
  assertMatch(String(truncationOf(list)), /it has more than 10000 entries/);
});
