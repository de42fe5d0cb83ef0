import { assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { RpcRequest } from "../lib/wire/rpc.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { McpWindow } from "./helpers/mcp_window.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { type RawConnection, rawServer } from "./helpers/raw_server.ts";
import { ScriptedUrlServer } from "./helpers/scripted_url_server.ts";

const TASK = { taskId: "t1", status: "working", ttl: null, createdAt: "2026-01-01T00:00:00Z" };
const OTHER = { ...TASK, taskId: "t2" };

/** A server behind a URL that begins tasks and loses its sessions as a test says, and two windows of it. */
async function withTasks({ keepsTasks }: { keepsTasks: boolean }) {
  let sessions = 0;
  let isLost = false;
  const begun: JsonObject[] = [];
  const post = ({ id, method, params }: RpcRequest): Response | undefined => {
    if (isLost) return new Response("Session not found", { status: 404 });
    const answer = (body: JsonObject) => Response.json({ jsonrpc: "2.0", id, ...body });
    if (method === "tools/call") {
      return answer({ result: { task: begun[begun.push(begun.length ? OTHER : TASK) - 1]! } });
    }
    if (!String(method).startsWith("tasks/")) return undefined;
    const known = keepsTasks || sessions < 2
      ? begun.find(({ taskId }) => taskId === params?.taskId)
      : undefined;
    if (!known) {
      return answer({ error: { code: -32602, message: "Failed to retrieve task: Task not found" } });
    }
    return answer({ result: method === "tasks/get" ? { ...known, status: "completed" } : { content: [] } });
  };
  const server = new ScriptedUrlServer({
    capabilities: { tools: {}, tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
    post,
    onInitialize: () => (sessions++, isLost = false),
  });
  const it = await mountingDaemon({ remote: { url: server.url } });
  const [ada, bob] = [
    await McpWindow.open(`${it.url}mcp/remote`),
    await McpWindow.open(`${it.url}mcp/remote`),
  ];
  return {
    ada,
    bob,
    lose: () => isLost = true,
    begin: (window: McpWindow) =>
      window.request("tools/call", { name: "work", arguments: {}, task: { ttl: 60_000 } }),
    ask: (window: McpWindow, method: string, taskId = "t1") => window.request(method, { taskId }),
    sessions: () => sessions,
    async [Symbol.asyncDispose]() {
      for (const window of [ada, bob]) await window[Symbol.asyncDispose]();
      await it[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const messageOf = ({ error }: JsonObject) => String((error as JsonObject | undefined)?.message);

for (const method of ["tasks/get", "tasks/result", "tasks/cancel"]) {
  Deno.test(`${method} of a task whose server has lost the session says so, whoever meets the loss`, async () => {
    await using it = await withTasks({ keepsTasks: false });
    await it.begin(it.ada);
    it.lose();
    assertMatch(
      messageOf(await it.ask(it.ada, method)),
      /task "t1" is lost: .*does not know the session any more/,
    );
    assertMatch(messageOf(await it.ask(it.ada, method)), /task "t1" is lost.*begin it again/);
    assertMatch(messageOf(await it.ask(it.bob, method)), /there is no task "t1" of this session/);
    assertMatch(messageOf(await it.ask(it.ada, method, "t9")), /no task "t9" of this session/);
    assertEquals(it.sessions(), 2);
  });
}

Deno.test("a task that its server keeps beyond a session goes on, for the window that began it alone", async () => {
  await using it = await withTasks({ keepsTasks: true });
  await it.begin(it.ada);
  it.lose();
  await it.bob.request("tools/list");
  assertEquals(((await it.ask(it.ada, "tasks/get")).result as JsonObject).status, "completed");
  assertMatch(messageOf(await it.ask(it.bob, "tasks/get")), /there is no task "t1" of this session/);
  await it.begin(it.bob);
  assertEquals(((await it.ask(it.bob, "tasks/get", "t2")).result as JsonObject).status, "completed");
});

/** A server whose process the test ends; it begins tasks, and holds calls of `hold`. */
function taskProcess() {
  let n = 0;
  return rawServer({
    capabilities: { tools: {}, tasks: {} },
    answer({ id, method, params }, connection) {
      if (method === "tools/list") {
        return { tools: ["work", "hold"].map((name) => ({ name, inputSchema: { type: "object" } })) };
      }
      if (params?.name === "hold") return undefined;
      if (method === "tools/call") return { task: { ...TASK, taskId: `t${++n}` } };
      if (method !== "tasks/get") return {};
      if (hasBegun(connection)) return { ...TASK, status: "completed" };
      return void connection.send({ id, error: { code: -32602, message: "Task not found" } });
    },
  });
}

const hasBegun = (connection: RawConnection) =>
  connection.received.some((message) => "params" in message && message.params?.name === "work");

Deno.test("a task goes on in a process that takes nothing new but runs still, and is told to be lost once it has ended", async () => {
  await using raw = taskProcess();
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using ada = await McpWindow.open(it.url);
  await using bob = await McpWindow.open(it.url);
  await ada.call("work");
  void bob.call("hold", "held");
  const [first] = raw.connections;
  const held = await first!.message((message) => "params" in message && message.params?.name === "hold");
  raw.mounted.retireSlot([...raw.mounted.slots][0]!, 60_000);
  await ada.request("tools/list");
  assertEquals(((await ada.request("tasks/get", { taskId: "t1" })).result as JsonObject).status, "completed");
  // A process does not end under a task whose result is wanted.
  await ada.request("tasks/result", { taskId: "t1" });
  first!.send({ id: (held as RpcRequest).id, result: {} });
  await first!.closed;
  const lost = messageOf(await ada.request("tasks/get", { taskId: "t1" }));
  assertMatch(lost, /task "t1" is lost: the process of server "raw" was replaced/);
  assertMatch(messageOf(await bob.request("tasks/get", { taskId: "t1" })), /there is no task "t1"/);
});

Deno.test("what a server behind a URL keeps from before the daemon was started anew is shown to nobody", async () => {
  const asked: string[] = [];
  await using server = new ScriptedUrlServer({
    capabilities: { tools: {}, tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
    post({ id, method }) {
      const answer = (result: JsonObject) => Response.json({ jsonrpc: "2.0", id, result });
      if (method === "tools/call") return answer({ task: TASK });
      if (!String(method).startsWith("tasks/")) return undefined;
      asked.push(String(method));
      return answer(method === "tasks/list" ? { tasks: [TASK, OTHER] } : { ...TASK, content: [] });
    },
  });
  const begin = { name: "work", arguments: {}, task: { ttl: 60_000 } };
  {
    await using first = await mountingDaemon({ remote: { url: server.url } });
    await using ada = await McpWindow.open(`${first.url}mcp/remote`);
    await ada.request("tools/call", begin);
    assertEquals((await ada.request("tasks/list")).result, { tasks: [TASK] });
  }
  await using next = await mountingDaemon({ remote: { url: server.url } });
  await using bob = await McpWindow.open(`${next.url}mcp/remote`);
  asked.length = 0;
  assertEquals((await bob.request("tasks/list")).result, { tasks: [] });
  for (const method of ["tasks/get", "tasks/result", "tasks/cancel"]) {
    assertMatch(
      messageOf(await bob.request(method, { taskId: "t1" })),
      /no task "t1" of this session: a task is known to the session that began it/,
    );
  }
  assertEquals(asked, ["tasks/list"]);
});
