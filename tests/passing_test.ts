import { assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { RpcRequest } from "../lib/wire/rpc.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { rawServer } from "./helpers/raw_server.ts";

/** A client of the subprotocol `mcp` that has initialized. */
async function mcpClient(url: string, capabilities: JsonObject = {}): Promise<RawClient> {
  const client = await RawClient.connect(url, ["mcp"]);
  const params = { protocolVersion: "2025-11-25", capabilities, clientInfo: { name: "raw", version: "1" } };
  await client.ask({ jsonrpc: "2.0", id: "init", method: "initialize", params });
  client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  return client;
}

async function ask(client: RawClient, method: string, params: JsonObject = {}): Promise<JsonObject> {
  const id = crypto.randomUUID();
  client.send({ jsonrpc: "2.0", id, method, params });
  return await client.nextWhere((frame) => frame.id === id);
}

const TOOL = {
  name: "odd",
  title: "An odd tool",
  description: "has all there is",
  inputSchema: { type: "object", $defs: { a: { type: "string" } } },
  outputSchema: { type: "object", properties: { n: { type: "number" } } },
  annotations: { readOnlyHint: true, "x-hint": 1 },
  icons: [{ src: "data:image/png;base64,AA==", mimeType: "image/png", sizes: ["48x48"], theme: "dark" }],
  execution: { taskSupport: "optional" },
  _meta: { "example.com/a": { deep: [1, null, "x"] } },
  "x-unknown": { kept: true },
};

const RESULT = {
  content: [
    { type: "text", text: "one", annotations: { audience: ["user"], priority: 0.5 }, _meta: { a: 1 } },
    { type: "resource_link", uri: "test://r", name: "r", icons: TOOL.icons, size: 3 },
    { type: "hologram", data: "unknown kinds too" },
  ],
  structuredContent: { n: 1, list: [null, { b: false }] },
  isError: true,
  _meta: { "example.com/b": 2 },
  "x-unknown": [1, 2],
};

const PROMPT = {
  name: "p",
  title: "P",
  icons: TOOL.icons,
  arguments: [{ name: "a", required: true, x: 1 }],
  _meta: { m: 1 },
};
const RESOURCE = {
  uri: "test://r",
  name: "r",
  size: 1,
  annotations: { lastModified: "2025-01-01T00:00:00Z" },
  icons: TOOL.icons,
};
const TEMPLATE = { uriTemplate: "test://t/{id}", name: "t", title: "T", _meta: { m: 2 } };

const ANSWERS: Record<string, JsonObject> = {
  "tools/list": { tools: [TOOL] },
  "tools/call": RESULT,
  "prompts/list": { prompts: [PROMPT] },
  "resources/list": { resources: [RESOURCE] },
  "resources/templates/list": { resourceTemplates: [TEMPLATE] },
};

const everything = { tools: {}, prompts: {}, resources: { subscribe: true }, logging: {} };

function oddServer() {
  return rawServer({ capabilities: everything, answer: ({ method }) => ANSWERS[method] ?? {} });
}

Deno.test("what a server lists and answers arrives as it is: icons, annotations, structured content, _meta, the unknown", async () => {
  await using raw = oddServer();
  await using it = await testDaemon({ servers: [raw.mounted] });
  using client = await mcpClient(it.url);
  for (
    const [method, field, wanted] of [
      ["tools/list", "tools", TOOL],
      ["prompts/list", "prompts", PROMPT],
      ["resources/list", "resources", RESOURCE],
      ["resources/templates/list", "resourceTemplates", TEMPLATE],
    ] as const
  ) {
    const { result } = await ask(client, method);
    const list = (result as JsonObject)[field] as JsonObject[];
    assertEquals(list.find(({ name }) => name === wanted.name), wanted);
  }
  assertEquals((await ask(client, "tools/call", { name: "odd", arguments: {} })).result, RESULT);
});

Deno.test("what a client sends arrives as it is, but for its id and progress token", async () => {
  await using raw = oddServer();
  await using it = await testDaemon({ servers: [raw.mounted] });
  using client = await mcpClient(it.url);
  const params = {
    name: "odd",
    arguments: { deep: [{ a: null }], text: "\u0000 \ud83c\udf89" },
    _meta: { "example.com/trace": "t1", progressToken: "mine" },
    "x-unknown": 1,
  };
  await ask(client, "tools/call", params);
  const [connection] = raw.connections;
  const sent = await connection!.message((message) =>
    "method" in message && message.method === "tools/call"
  ) as RpcRequest;
  const token = (sent.params!._meta as JsonObject).progressToken;
  assertEquals(sent.params, { ...params, _meta: { ...params._meta, progressToken: token } });
  assertEquals(token === "mine", false);
});

Deno.test("an error of a server arrives with its own code, message and data", async () => {
  const error = { code: -32099, message: "odd", data: { deep: [1] } };
  await using raw = rawServer({
    answer: ({ method, id }, connection) => {
      if (method === "tools/list") return { tools: [TOOL] };
      return void connection.send({ id, error });
    },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  using client = await mcpClient(it.url);
  assertEquals((await ask(client, "tools/call", { name: "odd" })).error, error);
});

Deno.test("through a door of its own a server's pages, cursors and unknown methods pass untouched", async () => {
  await using raw = rawServer({
    capabilities: { tools: {}, "x-things": {} },
    answer: ({ method, params = {} }) => {
      if (method === "x/unknown") return { echoed: params };
      if (params.cursor === undefined) {
        return { tools: [{ ...TOOL, name: "first" }], nextCursor: "p 2", x: 1 };
      }
      return { tools: [{ ...TOOL, name: "second" }], _meta: { cursor: params.cursor } };
    },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  using client = await mcpClient(`${it.url}mcp/raw`);
  const first = (await ask(client, "tools/list")).result;
  assertEquals(first, { tools: [{ ...TOOL, name: "first" }], nextCursor: "p 2", x: 1 });
  const second = (await ask(client, "tools/list", { cursor: "p 2" })).result;
  assertEquals(second, { tools: [{ ...TOOL, name: "second" }], _meta: { cursor: "p 2" } });
  assertEquals((await ask(client, "x/unknown", { a: [1] })).result, { echoed: { a: [1] } });
  client.send({ jsonrpc: "2.0", method: "notifications/x/odd", params: { b: 2 } });
  const [connection] = raw.connections;
  const odd = await connection!.message((message) =>
    "method" in message && message.method === "notifications/x/odd"
  );
  assertEquals(odd, { jsonrpc: "2.0", method: "notifications/x/odd", params: { b: 2 } });
});

Deno.test("the merged catalog holds every page of a server's list", async () => {
  await using raw = rawServer({
    answer: ({ params = {} }) => {
      const page = Number(params.cursor ?? 0);
      return {
        tools: [{ ...TOOL, name: `tool${page}` }],
        ...(page < 4 ? { nextCursor: `${page + 1}` } : {}),
      };
    },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  using client = await mcpClient(it.url);
  const { tools } = (await ask(client, "tools/list")).result as { tools: JsonObject[] };
  const names = tools.map(({ name }) => String(name)).filter((name) => /^tool\d/.test(name));
  assertEquals(names, ["tool0", "tool1", "tool2", "tool3", "tool4"]);
});

Deno.test("a shared server is told only once that it has been initialized", async () => {
  await using raw = oddServer();
  await using it = await testDaemon({ servers: [raw.mounted] });
  for (const path of ["mcp/raw", "mcp/raw", ""]) {
    using client = await mcpClient(it.url + path);
    await ask(client, "tools/list");
    await client.close();
  }
  const [connection] = raw.connections;
  const said = connection!.received.filter((message) =>
    "method" in message && /initialize/.test(message.method)
  );
  assertEquals([raw.connections.length, said.length], [1, 2]);
});

Deno.test("a client's progress about what a server asked it reaches the server under the server's own token", async () => {
  const question = {
    method: "sampling/createMessage",
    params: { messages: [], maxTokens: 1, _meta: { progressToken: "theirs", "example.com/x": 1 } },
  };
  const answer = { model: "m", role: "assistant", content: { type: "text", text: "hi" }, "x-unknown": 1 };
  await using raw = rawServer({
    answer: ({ method, id }, connection) => {
      if (method === "tools/list") return { tools: [TOOL] };
      connection.send({ id: "q", ...question });
      connection.message((message) => "id" in message && message.id === "q")
        .then((reply) => connection.send({ id, result: { content: [], structuredContent: { reply } } }));
    },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  using client = await mcpClient(it.url, { sampling: {} });
  client.send({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "odd" } });
  const asked = await client.nextWhere(({ method }) => method === question.method);
  const params = asked.params as JsonObject & { _meta: JsonObject };
  const { progressToken } = params._meta;
  assertEquals(params, { ...question.params, _meta: { "example.com/x": 1, progressToken } });
  const progress = { progress: 1, total: 2, message: "half" };
  client.send({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken, ...progress } });
  client.send({ jsonrpc: "2.0", id: asked.id, result: answer });
  const { result } = await client.nextWhere(({ id }) => id === 7);
  assertEquals((result as JsonObject & { structuredContent: JsonObject }).structuredContent.reply, {
    jsonrpc: "2.0",
    id: "q",
    result: answer,
  });
  const told = raw.connections[0]!.received.find((message) =>
    "method" in message && message.method === "notifications/progress"
  );
  assertEquals((told as RpcRequest).params, { progressToken: "theirs", ...progress });
});
