import { assertEquals, assertRejects } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/websocket"
import { WebSocketClientTransport } from "@modelcontextprotocol/sdk/client/websocket.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ElicitRequestSchema, LoggingMessageNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import type { JsonObject } from "../lib/base/json.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { RawClient } from "./helpers/raw_client.ts";

/** The SDK's own client on the subprotocol `mcp`. */
async function sdkClient(url: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ name: "sdk", version: "1" }, { capabilities: { elicitation: {} } });
  await client.connect(new WebSocketClientTransport(new URL(url)));
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}

Deno.test("the SDK's own WebSocket client initializes, lists and calls", async () => {
  await using it = await testDaemon();
  await using client = await sdkClient(it.url);
  assertEquals(client.getServerVersion()?.name, "exai");
  await client.ping();
  const { tools } = await client.listTools();
  assertEquals(tools.some((tool) => tool.name === "version"), true);
  const result = await client.callTool({ name: "version" });
  assertEquals(result.isError ?? false, false);
});

Deno.test("every revision with a handshake is spoken, and an unknown one is answered with the latest", async () => {
  await using it = await testDaemon();
  for (const revision of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]) {
    assertEquals(await negotiated(it.url, revision), revision);
  }
  assertEquals(await negotiated(it.url, "1999-01-01"), "2025-11-25");
});

async function negotiated(url: string, protocolVersion: string): Promise<unknown> {
  using client = await RawClient.connect(url, ["mcp"]);
  const params = { protocolVersion, capabilities: {}, clientInfo: { name: "raw", version: "1" } };
  const answer = await client.ask({ jsonrpc: "2.0", id: 0, method: "initialize", params });
  await client.close();
  return (answer.result as JsonObject).protocolVersion;
}

Deno.test("progress reaches the caller that asked for it", async () => {
  await using it = await testDaemon({ servers: [new OddServer()] });
  await using client = await sdkClient(it.url);
  const seen: number[] = [];
  const options = { onprogress: ({ progress }: { progress: number }) => void seen.push(progress) };
  await client.callTool({ name: "steps", arguments: { total: 3 } }, undefined, options);
  assertEquals(seen, [1, 2, 3]);
});

Deno.test("a caller that gave no progress token gets no progress", async () => {
  await using it = await testDaemon({ servers: [new OddServer()] });
  using client = await RawClient.connect(it.url, ["mcp"]);
  const answer = await client.ask({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "steps" } });
  assertEquals(answer.id, 1);
  await client.close();
});

Deno.test("a cancelled request is aborted and never answered", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.connect(it.url, ["mcp"]);
  const held = odd.nextHold();
  client.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hold" } });
  await held;
  client.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } });
  await odd.aborted.promise;
  assertEquals((await client.ask({ jsonrpc: "2.0", id: 2, method: "ping" })).id, 2);
  await client.close();
});

Deno.test("log messages come from the level the client set", async () => {
  await using it = await testDaemon({ servers: [new OddServer()] });
  await using client = await sdkClient(it.url);
  const levels: string[] = [];
  client.setNotificationHandler(
    LoggingMessageNotificationSchema,
    ({ params }) => void levels.push(params.level),
  );
  await client.setLoggingLevel("error");
  await client.callTool({ name: "logs" });
  assertEquals(levels, ["error"]);
});

Deno.test("what a tool asks goes to the window whose call it is", async () => {
  await using it = await testDaemon({ servers: [new OddServer()] });
  const answers = await Promise.all(["ada", "bob"].map(async (name) => {
    await using client = await sdkClient(it.url);
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { name } }));
    const { content } = await client.callTool({ name: "asks" }) as { content: { text: string }[] };
    return JSON.parse(content[0]!.text).content.name;
  }));
  assertEquals(answers, ["ada", "bob"]);
});

Deno.test('ids 1 and "1" are two requests', async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.connect(it.url, ["mcp"]);
  const both = [odd.nextHold(), odd.nextHold()];
  for (const id of [1, "1"]) {
    client.send({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "hold" } });
  }
  await Promise.all(both);
  odd.release.resolve();
  const ids = [(await client.next()).id, (await client.next()).id];
  assertEquals(new Set(ids), new Set([1, "1"]));
  await client.close();
});

Deno.test("EXAI ops and MCP are spoken side by side after a hello", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  assertEquals((await client.ask({ jsonrpc: "2.0", id: 1, method: "ping" })).result, {});
  assertEquals((await client.call("version")).error, undefined);
  await client.close();
});

const FAULTS: [name: string, frame: string, code: number, id: unknown][] = [
  ["not JSON", "{", -32700, null],
  ["no method and no id", '{"jsonrpc":"2.0"}', -32600, null],
  ["another version", '{"jsonrpc":"1.0","id":3,"method":"ping"}', -32600, 3],
  ["an id that is none", '{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600, null],
  ["params that are a list", '{"jsonrpc":"2.0","id":4,"method":"ping","params":[]}', -32600, 4],
  ["an unknown method", '{"jsonrpc":"2.0","id":5,"method":"no/such"}', -32601, 5],
  ["a tool call without a name", '{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{}}', -32602, 6],
  ["an unknown tool", '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}', -32602, 7],
  [
    "a log level that is none",
    '{"jsonrpc":"2.0","id":8,"method":"logging/setLevel","params":{"level":"x"}}',
    -32602,
    8,
  ],
];

for (const [name, frame, code, id] of FAULTS) {
  Deno.test(`a bad MCP message is answered and the session goes on: ${name}`, async () => {
    await using it = await testDaemon();
    using client = await RawClient.connect(it.url, ["mcp"]);
    const answer = await client.ask(frame);
    assertEquals([(answer.error as JsonObject).code, answer.id], [code, id]);
    assertEquals((await client.ask({ jsonrpc: "2.0", id: 9, method: "ping" })).result, {});
    await client.close();
  });
}

Deno.test("a malformed answer is not answered, even under the id of a request of the client's own", async () => {
  await using it = await testDaemon();
  using client = await RawClient.connect(it.url, ["mcp"]);
  client.send('{"jsonrpc":"2.0","id":1,"result":5}');
  client.send('{"jsonrpc":"2.0","id":1,"error":"no"}');
  assertEquals(await client.ask({ jsonrpc: "2.0", id: 1, method: "ping" }), {
    jsonrpc: "2.0",
    id: 1,
    result: {},
  });
  await client.close();
});

Deno.test("a path that is no door is refused", async () => {
  await using it = await testDaemon();
  await assertRejects(() => RawClient.connect(new URL("/nowhere", it.url).href));
});
