import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import type { ServerConfig } from "../../lib/config/server_config.ts";
import { buildStatus } from "../../lib/admin/status.ts";
import type { MountedServer } from "../../lib/upstream/mounted_server.ts";
import type { RpcRequest } from "../../lib/wire/rpc.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { McpWindow } from "../helpers/mcp_window.ts";
import { type RawConnection, rawServer, type RawServerOptions } from "../helpers/raw_server.ts";
import { until } from "../helpers/until.ts";

const TOOLS = [{ name: "ask", inputSchema: { type: "object" } }, {
  name: "echo",
  inputSchema: { type: "object" },
}];
const FORM = { message: "who?", requestedSchema: { type: "object", properties: {} } };
const PAGE = { message: "open", mode: "url", url: "https://example.com/", elicitationId: "e" };
const SAMPLE = { messages: [], maxTokens: 1 };

/** A server whose tool `ask` asks its caller's client `question`, and answers with what it was told. */
function askingServer(
  question: { method: string; params: JsonObject },
  options: Partial<RawServerOptions> = {},
) {
  return rawServer({
    answer: ({ method, params, id }, connection) => {
      if (method === "tools/list") return { tools: TOOLS };
      if (method !== "tools/call") return {};
      if (params?.name !== "ask") return { content: [] };
      return void passOn(connection, id, question);
    },
    ...options,
  });
}

async function passOn(connection: RawConnection, id: unknown, question: object): Promise<void> {
  connection.send({ id: `about ${id}`, ...question });
  const answer = await connection.message((message) =>
    !("method" in message) && message.id === `about ${id}`
  );
  connection.send({ id, result: { content: [], structuredContent: answer } });
}

/** What the window's call of `ask` found out. */
async function asked(window: McpWindow): Promise<{ result?: JsonObject; error?: { code: number } }> {
  return ((await window.call("ask")).result as JsonObject).structuredContent as JsonObject;
}

function toldOf(connection: RawConnection): JsonObject {
  const initialize = connection.received.find((message) =>
    "method" in message && message.method === "initialize"
  ) as RpcRequest;
  return initialize.params!.capabilities as JsonObject;
}

Deno.test("a shared process is told the same of its clients, whoever comes first", async () => {
  const told: JsonObject[] = [];
  const firsts = [{}, { elicitation: {} }, { sampling: { tools: {} }, experimental: { odd: {} } }, {
    roots: {},
  }];
  for (const first of firsts) {
    await using raw = askingServer({ method: "elicitation/create", params: FORM });
    await using it = await testDaemon({ servers: [raw.mounted] });
    await using one = await McpWindow.open(it.url, first);
    await one.call("echo");
    await using other = await McpWindow.open(it.url, { elicitation: { url: {} } });
    await other.call("echo");
    assertEquals(raw.connections.length, 1);
    told.push(toldOf(raw.connections[0]!));
  }
  assertEquals(told.slice(1), [told[0], told[0], told[0]]);
  assertEquals(told[0], {
    roots: {},
    sampling: { tools: {}, context: {} },
    elicitation: { form: {}, url: {} },
  });
});

Deno.test("a process of one window is told what that window's client can do, but for what is experimental, and nothing else", async () => {
  await using raw = askingServer({ method: "elicitation/create", params: FORM }, {
    config: { share: "session" },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  const capabilities = { elicitation: { form: {} }, sampling: { tools: {} } };
  await using client = await McpWindow.open(it.url, { ...capabilities, experimental: { odd: {} } });
  await client.call("echo");
  assertEquals(toldOf(raw.connections[0]!), capabilities);
});

for (
  const [what, method, params, capabilities, code] of [
    ["a form", "elicitation/create", FORM, {}, -32601],
    ["a form", "elicitation/create", FORM, { elicitation: {} }, undefined],
    ["a form", "elicitation/create", FORM, { elicitation: { url: {} } }, -32602],
    ["a page", "elicitation/create", PAGE, { elicitation: {} }, -32602],
    ["a page", "elicitation/create", PAGE, { elicitation: { form: {}, url: {} } }, undefined],
    ["an answer of a model", "sampling/createMessage", SAMPLE, {}, -32601],
    ["an answer of a model", "sampling/createMessage", SAMPLE, { sampling: {} }, undefined],
    ["tools in sampling", "sampling/createMessage", { ...SAMPLE, tools: [] }, { sampling: {} }, -32602],
    [
      "tools in sampling",
      "sampling/createMessage",
      { ...SAMPLE, tools: [] },
      { sampling: { tools: {} } },
      undefined,
    ],
    ["roots", "roots/list", {}, {}, -32601],
  ] as const
) {
  Deno.test(`asked for ${what}, a client of ${JSON.stringify(capabilities)} ${code ? `is spoken for with ${code}` : "answers itself"}`, async () => {
    await using raw = askingServer({ method, params: params as JsonObject });
    await using it = await testDaemon({ servers: [raw.mounted] });
    await using client = await McpWindow.open(it.url, capabilities);
    const { error } = await asked(client);
    assertEquals(error?.code, code);
    assertEquals(client.heard.length, code === undefined ? 1 : 0);
  });
}

Deno.test("a client that runs no tasks is not handed a question to run as one", async () => {
  await using raw = askingServer({
    method: "sampling/createMessage",
    params: { ...SAMPLE, task: { ttl: 1 } },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using plain = await McpWindow.open(it.url, { sampling: {} });
  await asked(plain);
  assertEquals(plain.heard[0]!.params, SAMPLE);
});

Deno.test("windows none of which can be asked are spoken for at once, whatever else runs", async () => {
  const held: RpcRequest[] = [];
  await using raw = askingServer({ method: "elicitation/create", params: FORM }, {
    answer: ({ method, params, id }, connection) => {
      if (method === "tools/list") return { tools: TOOLS };
      if (params?.name === "echo") return void held.push({ id } as RpcRequest);
      return method === "tools/call"
        ? void passOn(connection, id, { method: "elicitation/create", params: FORM })
        : {};
    },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using ada = await McpWindow.open(it.url);
  await using bob = await McpWindow.open(it.url);
  await bob.request("tools/list");
  const long = ada.call("echo");
  await raw.connections[0]!.message((message) => "method" in message && message.method === "tools/call");
  const beganMs = performance.now();
  for (let i = 0; i < 3; i++) assertEquals((await asked(bob)).error?.code, -32601);
  assertEquals(performance.now() - beganMs < 1000, true);
  raw.connections[0]!.send({ id: held[0]!.id, result: { content: [] } });
  await long;
});

/** A server of which two processes would overwrite each other's file. */
const SINGLE: Partial<ServerConfig> = {
  share: "auto",
  command: "npx",
  args: ["-y", "@modelcontextprotocol/server-memory"],
};

/** Two windows of which one has a call running that does not end, on a server that asks. */
async function crowded(config: Partial<ServerConfig>, settleMs: number) {
  const held: RpcRequest[] = [];
  const raw = askingServer({ method: "elicitation/create", params: FORM }, {
    config,
    settleMs,
    answer: ({ method, params, id }, connection) => {
      if (method === "tools/list") return { tools: TOOLS };
      if (params?.name === "echo") return void held.push({ id } as RpcRequest);
      return method === "tools/call"
        ? void passOn(connection, id, { method: "elicitation/create", params: FORM })
        : {};
    },
  });
  const it = await testDaemon({ servers: [raw.mounted] });
  const ada = await McpWindow.open(it.url, { elicitation: {} });
  const bob = await McpWindow.open(it.url, { elicitation: {} });
  await asked(bob);
  const long = ada.call("echo");
  await raw.connections[0]!.message((message) =>
    "method" in message && message.method === "tools/call" && message.params?.name === "echo"
  );
  return {
    raw,
    ada,
    bob,
    async status() {
      return await (await fetch(new URL("/status", it.http))).json();
    },
    /** What is said of the calls that run. */
    async running(): Promise<string> {
      const { calls } = await (await fetch(new URL("/calls?outcome=running", it.http))).json();
      return calls.map(({ message }: JsonObject) => message).join();
    },
    async release() {
      raw.connections[0]!.send({ id: held[0]!.id, result: { content: [] } });
      await long;
    },
    async [Symbol.asyncDispose]() {
      for (const each of [ada, bob, it, raw]) await each[Symbol.asyncDispose]();
    },
  };
}

for (const share of ["auto", "project", "machine"] as const) {
  Deno.test(`a window that is asked goes to a copy of its own while another's call runs, with share ${share}, and it is said why`, async () => {
    await using it = await crowded({ share }, 0);
    assertEquals((await asked(it.bob)).result, { action: "accept", content: {} });
    assertEquals(it.raw.connections.length, 2);
    const [shared, copy] = [...it.raw.mounted.slots];
    const scope = share === "auto" ? "project" : share;
    assertEquals([shared!.scope, copy!.scope, copy!.sessionIds.length], [scope, "session", 1]);
    assertStringIncludes(copy!.why, "its server asks questions (elicitation)");
    await it.release();
    assertEquals(it.ada.heard, []);
  });
}

const ONE_PROCESS: [name: string, config: Partial<ServerConfig>][] = [
  ["with share machine and exclusive, as somebody wrote it,", { share: "machine", exclusive: true }],
  ["a server known to need one process", SINGLE],
];

/** What is said where no copy is started. */
const ADVICE =
  'call again when no other window\'s call runs on it, or give it "share": "session" or "exclusive": false in mcp.json';

function statusOf(mounted: MountedServer) {
  const nothing = {
    address: { url: "", notes: [] },
    retiring: [],
    sessions: [],
    memory: new Map(),
    programs: new Map(),
    running: [],
    providers: [],
    listChanges: { total: 0, causes: [] },
  };
  return buildStatus({ servers: [mounted], configured: { faulty: [], disabled: [] }, ...nothing }).servers;
}

for (const [name, config] of ONE_PROCESS) {
  Deno.test(`${name} has no copies: a question that cannot be attributed is refused after a bounded wait, and it is shown where`, async () => {
    await using it = await crowded(config, 100);
    for (let n = 1; n <= 2; n++) {
      const beganMs = performance.now();
      const asks = asked(it.bob);
      await until("it is shown what the call waits for", async () => {
        const [wait] = (await it.status()).waiting;
        return wait && (assertStringIncludes(wait.waits_for, "another window's call of server"), true);
      });
      const refused = (await asks).error;
      const tookMs = performance.now() - beganMs;
      assertEquals(tookMs < 5500, true, `${tookMs} ms`);
      assertEquals(refused?.code, -32600);
      assertStringIncludes((refused as { message?: string }).message ?? "", ADVICE);
      const [server] = statusOf(it.raw.mounted);
      const { count, last_method } = server!.refused_questions!;
      assertEquals([count, last_method], [n, "elicitation/create"]);
      assertEquals((await it.status()).waiting, []);
    }
    assertStringIncludes(await it.running(), "elicitation/create of its server was refused");
    await it.release();
    await until("her call is spoken of no more", async () => {
      const { result } = await asked(it.bob);
      return result && (assertEquals(result, { action: "accept", content: {} }), true);
    });
    assertEquals([it.raw.connections.length, it.ada.heard], [1, []]);
  });
}
