import { assertEquals, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import type { JsonObject } from "../lib/base/json.ts";
import type { RpcRequest } from "../lib/wire/rpc.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { type RawConnection, rawServer, type RawServerOptions } from "./helpers/raw_server.ts";
import { McpWindow } from "./helpers/mcp_window.ts";

const TOOLS = ["echo", "hold", "late"].map((name) => ({ name, inputSchema: { type: "object" } }));
const TEXT = { content: [{ type: "text", text: "ok" }] };
const QUESTION = {
  method: "elicitation/create",
  params: { message: "who?", requestedSchema: { type: "object", properties: {} } },
};
const ASKED = { elicitation: {}, sampling: {} };

/** A server whose calls of `hold` are answered when the test says so; what belongs to nobody is in `strays`. */
function heldServer(options: Partial<RawServerOptions> = {}) {
  const held: RpcRequest[] = [];
  const strays: string[] = [];
  const raw = rawServer({
    capabilities: { tools: {}, logging: {} },
    log: (_, text) => void strays.push(text),
    answer: (request) => {
      if (request.method === "tools/list") return { tools: TOOLS };
      if (request.method !== "tools/call") return {};
      if (request.params?.name !== "hold") return TEXT;
      return void held.push(request);
    },
    ...options,
  });
  return Object.assign(raw, {
    held,
    strays,
    /** Answers what the server was asked, as an answer to a question of its own. */
    async ask(connection: RawConnection, id: string, question: object = QUESTION): Promise<JsonObject> {
      connection.send({ id, ...question });
      return await connection.message((message) =>
        !("method" in message) && message.id === id
      ) as unknown as JsonObject;
    },
    release: (connection: RawConnection) => {
      for (const { id } of held.splice(0)) connection.send({ id, result: TEXT });
    },
  });
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadlineMs = Date.now() + 5000; !condition();) {
    if (Date.now() > deadlineMs) throw new Error(`not in time: ${what}`);
    await delay(2);
  }
}

for (const share of ["machine", "project"] as const) {
  for (const capabilities of [ASKED, {}]) {
    Deno.test(`with share ${share} a call runs at once beside a long one of another window that ${Object.keys(capabilities).length ? "can" : "cannot"} be asked`, async () => {
      await using raw = heldServer({ config: { share } });
      await using it = await testDaemon({ servers: [raw.mounted] });
      await using ada = await McpWindow.open(it.url, ASKED);
      await using bob = await McpWindow.open(it.url, capabilities);
      await bob.call("echo");
      const long = ada.call("hold");
      await until(() => raw.held.length === 1, "the long call has begun");
      const beganMs = performance.now();
      for (let i = 0; i < 10; i++) assertEquals((await bob.call("echo")).result, TEXT);
      const tookMs = performance.now() - beganMs;
      // One that waits for its turn takes 4 s, and half a second for each of them are 5 s.
      assertEquals([raw.connections.length, tookMs < 3500], [1, true], `${tookMs} ms`);
      raw.release(raw.connections[0]!);
      assertEquals((await long).result, TEXT);
    });
  }
}

Deno.test("what a server says after a call has ended goes to its log file only, not to the window whose call runs", async () => {
  await using raw = heldServer();
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using ada = await McpWindow.open(it.url, ASKED);
  await using bob = await McpWindow.open(it.url, ASKED);
  await ada.call("echo");
  const long = bob.call("hold");
  await until(() => raw.held.length === 1, "the call has begun");
  const [connection] = raw.connections;
  const line = { level: "error", data: "about ada's secret\x1b[2J" };
  connection!.send({ method: "notifications/message", params: line });
  connection!.send({ method: "notifications/x/odd", params: { odd: 1 } });
  const refused = await raw.ask(connection!, "q1");
  assertStringIncludes(String((refused.error as JsonObject).message), "cannot be told which of them asks");
  raw.release(connection!);
  await long;
  for (const window of [ada, bob]) {
    await window.request("ping");
    assertEquals(window.heard.map(({ method }) => method), []);
  }
  assertStringIncludes(raw.strays.join(""), "about ada's secret\\u001b[2J");
  assertStringIncludes(raw.strays.join(""), "notifications/x/odd");
});

Deno.test("once nobody else can be meant, what a server says and asks reaches the window whose call runs", async () => {
  await using raw = heldServer({ settleMs: 50 });
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using ada = await McpWindow.open(it.url, ASKED);
  await using bob = await McpWindow.open(it.url, ASKED);
  await ada.call("echo");
  const long = bob.call("hold");
  await until(() => raw.held.length === 1, "the call has begun");
  const [connection] = raw.connections;
  const endMs = performance.now() + 60;
  await until(() => performance.now() > endMs, "time has passed");
  connection!.send({ method: "notifications/message", params: { level: "error", data: "yours" } });
  assertEquals((await raw.ask(connection!, "q1")).result, { action: "accept", content: {} });
  raw.release(connection!);
  await long;
  assertEquals(bob.heard.map(({ method }) => method), ["notifications/message", "elicitation/create"]);
  assertEquals([ada.heard, raw.strays], [[], []]);
});

Deno.test("a window with several calls is asked a question of theirs once, and cancelling one leaves it open", async () => {
  await using raw = heldServer();
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using ada = await McpWindow.open(it.url, ASKED);
  const first = ada.call("hold");
  void ada.call("hold", "dropped");
  await until(() => raw.held.length === 2, "both calls have begun");
  const [connection] = raw.connections;
  const answer = raw.ask(connection!, "q1");
  ada.send("notifications/cancelled", { requestId: "dropped" });
  assertEquals((await answer).result, { action: "accept", content: {} });
  assertEquals(ada.heard.map(({ method }) => method), ["elicitation/create"]);
  raw.release(connection!);
  assertEquals((await first).result, TEXT);
});

Deno.test("outside of any call a server that several windows know asks nobody, and only its log file hears of it", async () => {
  await using raw = heldServer({ settleMs: 0 });
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using ada = await McpWindow.open(it.url, ASKED);
  {
    await using bob = await McpWindow.open(it.url, ASKED);
    await bob.call("echo");
  }
  await ada.call("echo");
  const [connection] = raw.connections;
  const { error } = await raw.ask(connection!, "q1");
  assertStringIncludes(String((error as JsonObject).message), "belongs to no call that is running");
  connection!.send({ method: "notifications/message", params: { level: "error", data: "whose?" } });
  await ada.request("ping");
  assertEquals(ada.heard, []);
  await until(() => raw.strays.some((line) => line.includes("whose?")), "the log file has it");
});

Deno.test("a call its window has withdrawn may still be meant, so that what the server asks then reaches no other", async () => {
  await using raw = heldServer({ settleMs: 400 });
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using ada = await McpWindow.open(it.url, ASKED);
  await using bob = await McpWindow.open(it.url, ASKED);
  await bob.call("echo");
  void ada.call("hold", "dropped");
  await until(() => raw.held.length === 1, "the call has begun");
  ada.send("notifications/cancelled", { requestId: "dropped" });
  const settledAtMs = performance.now() + 500;
  const [connection] = raw.connections;
  await connection!.message((message) => "method" in message && message.method === "notifications/cancelled");
  raw.held.splice(0);
  const long = bob.call("hold");
  await until(() => raw.held.length === 1, "the other call has begun");
  await until(() => performance.now() > settledAtMs, "a call that was answered would be spoken of no more");
  assertEquals(typeof (await raw.ask(connection!, "q1")).error, "object");
  raw.release(connection!);
  await long;
  assertEquals(bob.heard, []);
});

Deno.test("a question about a task of a window that is gone reaches nobody", async () => {
  await using raw = heldServer({
    settleMs: 0,
    answer: ({ method, params }) => {
      if (method === "tools/list") return { tools: TOOLS };
      if (params?.name === "late") return { task: { taskId: "t1", status: "working", ttl: null } };
      return method === "tools/call" ? undefined : {};
    },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using bob = await McpWindow.open(it.url, ASKED);
  {
    await using ada = await McpWindow.open(it.url, ASKED);
    await ada.call("late");
  }
  await bob.request("tools/list");
  void bob.call("hold");
  const [connection] = raw.connections;
  await connection!.message((message) =>
    "method" in message && message.method === "tools/call" && message.params?.name === "hold"
  );
  await until(() => [...raw.mounted.slots][0]!.sessionIds.length === 1, "ada has left");
  const _meta = { "io.modelcontextprotocol/related-task": { taskId: "t1" } };
  const answer = await raw.ask(connection!, "q1", { ...QUESTION, params: { ...QUESTION.params, _meta } });
  assertEquals([typeof answer.error, bob.heard], ["object", []]);
});

Deno.test("while a window has a task that runs, an unlabelled question is no other's", async () => {
  await using raw = heldServer({
    settleMs: 0,
    answer: ({ method, params, id }, connection) => {
      if (method === "tools/list") return { tools: TOOLS };
      if (params?.name === "late") return { task: { taskId: "t1", status: "working", ttl: null } };
      if (method === "tasks/get") return { taskId: "t1", status: "completed" };
      if (params?.name === "hold") connection.send({ id: `about ${id}`, ...QUESTION });
      return method === "tools/call" ? undefined : {};
    },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using ada = await McpWindow.open(it.url, ASKED);
  await using bob = await McpWindow.open(it.url, ASKED);
  await ada.call("late");
  const answered = async (connection: RawConnection) => {
    const sent = await connection.message((message) =>
      "method" in message && message.method === "tools/call" && message.params?.name === "hold"
    ) as RpcRequest;
    return await connection.message((message) =>
      !("method" in message) && message.id === `about ${sent.id}`
    ) as unknown as JsonObject;
  };
  void bob.call("hold");
  assertEquals(typeof (await answered(raw.connections[0]!)).error, "object");
  assertEquals(bob.heard, []);
});

Deno.test("the first question of a server is answered although another window has just read its lists, and a log line is not guessed", async () => {
  await using raw = heldServer();
  await using it = await testDaemon({ servers: [raw.mounted] });
  const door = new URL("mcp/raw", it.url).href;
  await using ada = await McpWindow.open(door, ASKED);
  await using bob = await McpWindow.open(door, ASKED);
  for (const window of [ada, bob]) await window.call("echo");
  const settledAtMs = performance.now() + 2100;
  await until(() => performance.now() > settledAtMs, "those calls are spoken of no more");
  const long = ada.call("hold");
  await until(() => raw.held.length === 1, "the call has begun");
  const [connection] = raw.connections;
  for (const method of ["tools/list", "logging/setLevel"]) await bob.request(method, { level: "debug" });
  assertEquals(
    connection!.received.filter((one) => "method" in one && one.method === "tools/list").length > 1,
    true,
  );
  connection!.send({ method: "notifications/message", params: { level: "error", data: "whose?" } });
  assertEquals((await raw.ask(connection!, "q1")).result, { action: "accept", content: {} });
  raw.release(connection!);
  await long;
  assertEquals([ada.heard.map(({ method }) => method), bob.heard], [["elicitation/create"], []]);
  assertStringIncludes(raw.strays.join(""), "whose?");
});
